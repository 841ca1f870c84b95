"""What must hold while everything fails: nothing is lost, and nothing is done twice.

`python -m chaos` plays the scenarios, prints a table and JSON, and exits with 1 if one of them lost something.
`python -m chaos.forwarder` has the broker dead while alerts come in, and kills the forwarder; `chaos.fuzz` has inputs.
"""
