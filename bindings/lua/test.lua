-- test.lua HOST PORT SSLPORT CA OTHERCA MESSAGE - the exercise of pop3.lua
-- SPDX-License-Identifier: MIT
--
-- Run by tests/check_bindings.sh, which has the server; MESSAGE is the file of
-- message 1 as it is on the wire, 2 is deleted. Ends with an error or "ok".
package.path = arg[0]:gsub("[^/]*$", "") .. "?.lua;" .. package.path
local pop3 = require "pop3"
local host, port, ssl_port, ca, other_ca, file = unpack(arg)
local user, password = "lua", os.getenv "POP3_PASSWORD"
local wire = io.open(file, "rb"):read "*a"

-- The error of a call that must fail.
local function fails(name, ...)
    local ok, e = pcall(...)
    assert(not ok and e.code == pop3.lib["POP3_ERROR_" .. name], e)
    assert(e.name == "POP3_ERROR_" .. name and tostring(e) ~= "")
    return e
end

local c = pop3.connect(host, tonumber(port), { timeout_ms = 10000 })
local e = fails("PROTO", c.login, c, user, "wrong")
assert(e.reply:find "^%-ERR %[AUTH%]" and e.resp_code == "AUTH")
c:login(user, password)
fails("PROTO", c.retr, c, 99)

local pieces = 0
for _ in c:chunks(1) do pieces = pieces + 1 end
assert(pieces > 1 and c:retr(1) == wire)
local lines = {}
for line in c:lines(1) do lines[#lines + 1] = line .. "\r\n" end
assert(table.concat(lines) == wire)
for _ in c:chunks(1) do break end
assert(c:top(1, 0) == wire:match "^.-\r\n\r\n" and c:stat() == 3)

-- Calls that must fail before the library is asked.
local function refused(text, ...)
    local ok, e = pcall(...)
    assert(not ok and tostring(e):find(text, 1, true), e)
end
for _, n in ipairs { -1, 1.5, 2^64 + 2, "two" } do
    refused("whole", c.dele, c, n)
    refused("whole", c.lines, c, n)
    refused("whole", c.top, c, 1, n)
end
refused("NUL", c.login, c, user, password .. "\0x")
local first = c:chunks(1)
c:chunks(1)()
refused("another", first)

c:dele(2)
fails("PROTO", c.dele, c, 2)
c:quit()
fails("STATE", c.stat, c)

local tls = { tls = true, ca_file = ca, server_name = "localhost" }
c = pop3.connect(host, tonumber(ssl_port), tls)
c:login(user, password)
assert(c:stat() == 2)
c:dele(1) -- which closing takes back
c:close()
fails("STATE", c.stat, c)
tls.ca_file = other_ca
fails("CERTIFICATE", pop3.connect, host, tonumber(ssl_port), tls)
print "ok"
