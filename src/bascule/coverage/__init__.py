"""Which metrics are watched, and where: recorded, alerted, shown, judged, reported; what is missing.

wanted.yaml   the metrics of the source document and those that operators watch
wanted.py     these, and the spec's own
places.py     where the generated files, the judge and the reports use a series
covered.py    both together
"""

from bascule.coverage.covered import Covered, coverage, share_covered
from bascule.coverage.places import Place
from bascule.coverage.wanted import Wanted, wanted

__all__ = ["Covered", "Place", "Wanted", "coverage", "share_covered", "wanted"]
