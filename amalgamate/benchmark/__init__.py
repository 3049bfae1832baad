"""Times a model beside other inference engines, each in a process of its own, in turn, and rates its layers.

`rounds` starts the processes, `worker` is what runs in one, `engines` holds a file per engine; `layers` rates our own layers
against the `peak` of the machine; `report` and `picture` write what was found.
"""
