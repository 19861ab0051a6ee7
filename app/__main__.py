"""`python -m app`."""

import gc


def _start() -> None:
    # What is imported stays: looking for garbage in it costs a fifth of a start, and
    # each later look would go through it again.
    gc.disable()
    from app.cli import main  # noqa: PLC0415

    gc.freeze()
    gc.enable()
    main()


_start()
