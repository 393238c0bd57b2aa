"""Run a command: ``python -m fsanet_ros estimate people.jpg``."""

import sys


def main() -> int:
    """Run the command that the arguments name; return the exit code."""
    try:
        from fsanet_ros.tools.commands import main as run
    except KeyboardInterrupt:  # Ctrl-C as early as that
        print('fsanet: interrupted', file=sys.stderr)
        return 130
    return run()


if __name__ == '__main__':
    raise SystemExit(main())
