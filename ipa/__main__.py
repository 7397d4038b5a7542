"""`python -m ipa` is `ipa`."""

from ipa.cli.app import main

if __name__ == "__main__":
    main()
