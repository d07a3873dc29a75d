"""The servers that the benchmark compares with the gateway, each in a process of its own.

The servers of packages run in the directory where `install.py` put the packages.
"""
