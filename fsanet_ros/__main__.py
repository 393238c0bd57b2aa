"""Run a command: ``python -m fsanet_ros estimate people.jpg``."""

from fsanet_ros.tools.commands import main

if __name__ == '__main__':
    raise SystemExit(main())
