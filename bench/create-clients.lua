-- wrk script: POST /client with a new key pair in every request, and one line of results.
-- usage: wrk -t2 -c32 -d10 --latency -s create-clients.lua http://127.0.0.1:3000      (a bearer token in API_TOKEN, if one is needed)

local digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local last_digits = "AEIMQUYcgkosw048" -- 32 bytes are 42 digits and 4 bits: the 43rd digit ends in two zero bits

local function key()
  local text = {}
  for i = 1, 42 do
    local n = math.random(64)
    text[i] = digits:sub(n, n)
  end
  local n = math.random(16)
  text[43] = last_digits:sub(n, n)
  return table.concat(text) .. "="
end

function init()
  local a, b, c, d = io.open("/dev/urandom", "rb"):read(4):byte(1, 4)
  math.randomseed(((a * 256 + b) * 256 + c) * 256 + d) -- each thread and each run its own keys
  wrk.method = "POST"
  wrk.path = "/client"
  wrk.headers["Content-Type"] = "application/json"
  local token = os.getenv("API_TOKEN")
  if token then wrk.headers["Authorization"] = "Bearer " .. token end
end

function request()
  return wrk.format(nil, nil, nil, '{"publicKey":"' .. key() .. '","presharedKey":"' .. key() .. '"}')
end

function done(summary, latency)
  local errors = summary.errors
  local refused = errors.status
  local created = summary.requests - refused
  print(string.format("created %d (%.0f/s) refused %d broken %d | p50 %.2f p99 %.2f max %.2f ms", created,
    created / summary.duration * 1e6, refused, errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
