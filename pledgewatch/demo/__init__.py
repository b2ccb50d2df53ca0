"""The whole product on one screen: a site of our own, watched, changed step by step, each alert shown."""

from pledgewatch.demo.show import run_demo

__all__ = ["run_demo"]
