"""What every room stands on: the record, closed enums, durable files, counters, clock, logs, errors."""
