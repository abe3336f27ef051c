"""The data contract: what raw, clean and split data must be like, judged by Great Expectations.

`reading` streams the tables and keeps numbers, keys and a sample of the texts; `tables` turns them into one slim table
for each suite; `suites` makes the expectations from the limits of params.yaml; `validation` runs them and reports;
`profile` and `reference` are what data are compared with later on.
"""
