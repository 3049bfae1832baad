"""`python -m amalgamate`: the command line, also from a checkout that is not installed."""

from amalgamate.cli import main

main()
