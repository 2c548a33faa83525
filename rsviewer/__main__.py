"""`python -m rsviewer`."""

from rsviewer.cli import main

if __name__ == "__main__":
    main()
