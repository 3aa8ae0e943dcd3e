from bascule.instrument.multiprocess import child_exit, on_starting  # noqa: F401 - gunicorn calls them

workers = 2
