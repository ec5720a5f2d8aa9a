"""`python -m sciml` is the command line."""

from sciml.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
