"""A Django service in one file.

gunicorn app:application
"""

from pathlib import Path

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

from bascule.instrument import Instrument

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["bascule.instrument.django.route_middleware"],  # tells the instrument which route matched
    SECRET_KEY="only an example",
)
instrument = Instrument(version="v2", config=Path(__file__).parents[1] / "instrument.json")


def job(request: HttpRequest, job: int) -> JsonResponse:
    return JsonResponse({"job": job})


def match(request: HttpRequest) -> JsonResponse:
    segment = request.headers.get("X-User-Segment", "freemium")
    instrument.record_match_result("v2", "nexten", segment, accuracy=0.93, success=True, value=12.5)
    return JsonResponse({"accuracy": 0.93})


def broken(request: HttpRequest) -> JsonResponse:
    raise RuntimeError("as every service does now and then")


urlpatterns = [path("jobs/<int:job>", job), path("api/v2/match", match), path("broken", broken)]
application = instrument.wsgi(get_wsgi_application())
