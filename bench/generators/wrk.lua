-- Requests drawn by the benchmark, one a line: method, path and body, separated by tabs. Prints one line that wrk.ts reads.
local requests = {}
local at = 0

local threads = 0
function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(args)
  for line in io.lines(args[1]) do
    local method, path, body = line:match("^(.-)\t(.-)\t(.*)$")
    requests[#requests + 1] = wrk.format(method, path, { ["content-type"] = "application/json" }, body ~= "" and body or nil)
  end
  -- Threads begin apart from each other; the last one is ready when all are.
  local all = tonumber(args[2])
  at = math.floor(#requests * number / all)
  if number == all - 1 then
    io.stderr:write("measuring\n")
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local spread = {}
  for share = 0.05, 100, 0.1 do
    spread[#spread + 1] = latency:percentile(share)
  end
  io.write(string.format('\nresult {"micros":%d,"answers":%d,"bad":%d,"broken":%d,"spreadMicros":[%s]}\n',
    summary.duration, summary.requests, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write, table.concat(spread, ",")))
end
