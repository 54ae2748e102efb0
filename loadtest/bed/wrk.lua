-- Cycles through the hosts of a file (first argument after --), one request each, and prints its counts as JSON.
local requests, at = {}, 0

function init(words)
  for host in io.lines(words[1]) do
    requests[#requests + 1] = wrk.format("GET", "/gate.php?id=1", {Host = host, Connection = "close", Accept = "*/*"})
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "microseconds": %d, "connect": %d, "read": %d, "write": %d, "status": %d, ' ..
    '"timeout": %d, "p50_us": %d, "p99_us": %d}\n',
    summary.requests, summary.duration, e.connect, e.read, e.write, e.status, e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
