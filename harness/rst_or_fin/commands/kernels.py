"""`kernels list` and `kernels build`: which kernels Debian's suites offer, and node images that boot them."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing

from rst_or_fin.commands.console import print_json, progress
from rst_or_fin.engine import client as engine
from rst_or_fin.engine import image_table, images, kernel_images, kernels
from rst_or_fin.errors import EXIT_AS_EXPECTED, RstOrFinError, UsageError
from rst_or_fin.testbed.spec import DEFAULT_OTP


def kernels_command_options(parser: argparse.ArgumentParser) -> None:
    """Add what `kernels list` and `kernels build` take."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list what the configured Debian suites offer")
    listing.add_argument("--refresh", action="store_true", help="ask the package archive again")
    listing.add_argument("--json", action="store_true", help="print JSON")
    building = actions.add_parser("build", help="make node images with these kernels")
    building.add_argument(
        "kernels",
        nargs="*",
        metavar="KERNEL",
        help="releases, series or bzImage files (default: the default set)",
    )
    building.add_argument("--otp", metavar="RELEASE", help="Erlang/OTP release of the node (default: 27)")


def kernels_command(options: argparse.Namespace) -> int:
    """Run `kernels list` or `kernels build`."""
    return list_kernels(options) if options.action == "list" else build(options)


def list_kernels(options: argparse.Namespace) -> int:
    """Print what the configured suites offer, oldest first, and which known changes each has."""
    with closing(engine.connect()) as client:
        offered = kernels.offers(client, progress, refresh=options.refresh)
    known = kernels.catalogue()
    default, gone = set(), []
    for name in known.default:
        try:
            default.add(kernels.choose(name, offered).release)
        except UsageError:
            gone.append(name)
    rows = [
        {
            "release": offer.release,
            "suite": offer.suite,
            "package": offer.package,
            "version": offer.version,
            "changes": [change.commit for change in known.changes if change.included(offer.release)],
            "default": offer.release in default,
            "whole": offer.whole,
        }
        for offer in offered
    ]
    if options.json:
        print_json(rows)
        return EXIT_AS_EXPECTED
    print(f"  {'release':<12} {'suite':<20} {'version':<28} has")
    for offer in offered:
        mark = "*" if offer.release in default else " " if offer.whole else "-"
        changes = " ".join(change.commit for change in known.changes if change.included(offer.release))
        print(f"{mark} {offer.release:<12} {offer.suite:<20} {offer.version:<28} {changes}".rstrip())
    print("\n* in the default set (containers/kernels.toml)")
    if gone:
        print(f"of the default set, no longer offered: {', '.join(gone)}")
    if not all(offer.whole for offer in offered):
        print("- offered without its modules: it could drive no network card")
    for change in known.changes:
        print(f"{change.commit}: {change.title}")
    return EXIT_AS_EXPECTED


def build(options: argparse.Namespace) -> int:
    """Make the images of these kernels, or of the default set; those up to date stay.

    A failed one does not keep others from being made; the exit code is then that of the last failure.
    """
    wanted = options.kernels or kernels.catalogue().default
    otp = options.otp or DEFAULT_OTP
    image_table.check_otp(otp)
    code = EXIT_AS_EXPECTED
    with closing(engine.connect()) as client:
        for kernel in dict.fromkeys(wanted):
            try:
                image = kernel_images.image_of(client, kernel, otp, progress)
                images.ensure(client, image, progress)
            except RstOrFinError as error:
                print(f"rst-or-fin: {kernel}: {error}\n  hint: {error.hint}", file=sys.stderr)
                code = error.exit_code
            else:
                print(image.name)
    return code
