"""A small durable message broker that behaves as a Knative broker does.

    manifests -> eventing (Broker, Trigger, Delivery)        what is to be delivered where
    door      -> ingress -> message -> routing -> arrivals   an event is acknowledged once it is on the disk
    lane      -> dispatch -> transport -> verdict -> store   a delivery is tried until it is done or dead
    audit                                                    what was accepted, what is pending, what died and why

A delivery may begin while the disk still takes its event; what an event is about takes turns with all else that waits.
In a storm intake comes first: one thread takes what came, the disk gets it together, and the storm is delivered one by
one until it is over.

State of one delivery, kept in SQLite, so that a killed broker goes on where it was (at least once):

    pending --(2xx)--> done          the reply, if there is one, is accepted in the same transaction
       |  ^--(retry: tries, next try)
       +--(tries used up, or refused)--> dying --(dead letter sink took it)--> dead: delivered
       |                                   +-----(it did not)----------------> dead: undeliverable, kept
       +--(no dead letter sink)---------------------------------------------> dead: kept

Likeness: what was observed on a real Knative broker (tests/embedded/broker/test_vectors.py) comes first, then what its
source says. On one point it is better: nothing that was acknowledged is lost when the process dies.
"""
