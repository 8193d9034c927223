"""Architectures compared at an equal budget: sized to it, tuned within it, measured, told apart.

budgets   what an architecture costs, and the size at which it costs what another does
plan      what is compared with what
stages    what is trained: the tuning of rates, the runs that are compared, their control
probes    what is measured on the device without training
outcome   what came of all of it: means, tests, ranks
written   the ranking on the terminal, as Markdown and as CSV
page      the outcome as one HTML file, html its looks
"""
