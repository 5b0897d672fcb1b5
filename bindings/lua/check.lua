-- check.lua HOST PORT USER - what mail is there, and what the first is about
-- SPDX-License-Identifier: MIT
--
-- The password is $POP3_PASSWORD. Run: luajit check.lua localhost 110 me
package.path = arg[0]:gsub("[^/]*$", "") .. "?.lua;" .. package.path
local pop3 = require "pop3"

local c = pop3.connect(arg[1], tonumber(arg[2]))
c:login(arg[3], os.getenv "POP3_PASSWORD")

local messages, octets = c:stat()
print(("%d messages, %d octets"):format(messages, octets))

local uids = {}
for number, uid in c:uidl() do uids[number] = uid end
for number, octets in c:list() do
    io.write(number, " ", octets, " ", uids[number], "\n")
end

if messages > 0 then
    for line in c:lines(1, 0) do
        if line:lower():find "^subject:" then print(line) break end
    end
end
c:quit()
