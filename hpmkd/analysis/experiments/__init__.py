"""The experiments: one file each, whose section stands in a report as soon as the models that it needs are there."""
