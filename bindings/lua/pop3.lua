-- pop3.lua - libpop3 for LuaJIT
-- SPDX-License-Identifier: MIT
--
-- Owns the way from pop3.h to Lua: a connection as an object, errors as values
-- of error(), messages as iterators. Knows nothing of POP3. The library is
-- $LIBPOP3, else the loader's libpop3.so.0; its header $LIBPOP3_H, else that of
-- the source tree or of the system. What has no method here is called as in C:
-- pop3.lib.pop3_noop(c.handle).
local ffi = require "ffi"

local here = debug.getinfo(1, "S").source:match "^@(.*/)" or ""

-- pop3.h without the lines of the preprocessor and what stands for C++ alone.
local function declarations()
    local own = os.getenv "LIBPOP3_H" or here .. "../../include/pop3.h"
    for _, name in ipairs { own, "/usr/local/include/pop3.h",
                            "/usr/include/pop3.h" } do
        local file = io.open(name)
        if file then
            local text = "\n" .. file:read "*a"
            file:close()
            return (text:gsub("\n#ifdef __cplusplus.-\n#endif", "\n")
                        :gsub("\n#[^\n]*", "\n"))
        end
    end
    error "pop3.h not found: set LIBPOP3_H"
end

ffi.cdef(declarations())
local lib = ffi.load(os.getenv "LIBPOP3" or "libpop3.so.0")

-- An error: code (lib.POP3_ERROR_PROTO) and its name; message, for people; the
-- server's line, "" where there is none, and its response code.
local Error = {}
Error.__index = Error
Error.__tostring = function(self) return self.message end

local length = ffi.typeof "size_t[1]"

local function check(handle, code)
    if code == lib.POP3_OK then return end
    local n = length()
    local reply = lib.pop3_reply(handle, n)
    error(setmetatable({
        code = tonumber(code),
        name = ffi.string(lib.pop3_code_name(code)),
        message = ffi.string(lib.pop3_error(handle)),
        reply = ffi.string(reply, n[0]),
        resp_code = ffi.string(lib.pop3_resp_code(handle)),
    }, Error), 0)
end

local Connection = {}
Connection.__index = Connection

local function open(handle, host, port, o)
    if o.timeout_ms then lib.pop3_set_timeout(handle, o.timeout_ms) end
    if o.ca_file then check(handle, lib.pop3_set_ca_file(handle, o.ca_file)) end
    if o.server_name then
        check(handle, lib.pop3_set_server_name(handle, o.server_name))
    end
    local dial = o.tls and lib.pop3_connect_ssl or lib.pop3_connect
    check(handle, dial(handle, host, port or 0))
end

-- Connects. options: tls, ca_file, server_name, timeout_ms.
local function connect(host, port, options)
    local handle = lib.pop3_new()
    assert(handle ~= nil, "out of memory")
    local ok, e = pcall(open, handle, host, port, options or {})
    if not ok then -- at once: the collector does not know how much it holds
        lib.pop3_free(handle)
        error(e, 0)
    end
    ffi.gc(handle, lib.pop3_free)
    return setmetatable({ handle = handle, begun = 0 }, Connection)
end

-- Numbers that C would cut to others are refused.
local function whole(number)
    local n = tonumber(number)
    if n and n >= 0 and n < 2^53 and n % 1 == 0 then return n end
    error("not a whole number: " .. tostring(number), 0)
end

function Connection:login(user, password)
    assert(not (user .. password):find("\0", 1, true), "NUL in a login")
    check(self.handle, lib.pop3_login(self.handle, user, password))
end

-- Returns the number of messages, and of octets.
function Connection:stat()
    local totals = ffi.new "pop3_totals"
    check(self.handle, lib.pop3_stat(self.handle, totals))
    return tonumber(totals.messages), tonumber(totals.octets)
end

-- Iterates over the rows of a listing, freed with the last of them.
local function each_row(self, ask, free, kind, value)
    local out = ffi.new(kind)
    check(self.handle, ask(self.handle, out))
    local answer, i = ffi.gc(out[0], free), -1
    return function()
        i = i + 1
        if i < answer.count then
            return tonumber(answer.rows[i].number), value(answer.rows[i])
        end
    end
end

-- for number, octets in c:list() do
function Connection:list()
    return each_row(self, lib.pop3_list, lib.pop3_sizes_free, "pop3_sizes *[1]",
                    function(row) return tonumber(row.octets) end)
end

-- for number, uid in c:uidl() do
function Connection:uidl()
    return each_row(self, lib.pop3_uidl, lib.pop3_uids_free, "pop3_uids *[1]",
                    function(row) return ffi.string(row.uid, row.length) end)
end

-- RETR, or with a count of lines TOP. Returns what says for each piece whether
-- it is still this message that comes.
local function begin(self, number, lines)
    number, lines = whole(number), lines and whole(lines)
    self.begun = self.begun + 1
    local begun = self.begun
    check(self.handle, lines and lib.pop3_top_begin(self.handle, number, lines)
                             or lib.pop3_retr_begin(self.handle, number))
    return function()
        if begun ~= self.begun then error("another message was begun", 0) end
    end
end

-- for chunk in c:chunks(number [, lines]) do: the message as it is on the wire,
-- in pieces cut anywhere. What is not read of it, the next command skips.
function Connection:chunks(number, lines)
    local check_turn = begin(self, number, lines)
    local data, n = ffi.new "const char *[1]", length()
    return function()
        check_turn()
        check(self.handle, lib.pop3_next_slice(self.handle, data, n))
        if data[0] ~= nil then return ffi.string(data[0], n[0]) end
    end
end

-- for line in c:lines(number [, lines]) do: without their ends.
function Connection:lines(number, lines)
    local check_turn = begin(self, number, lines)
    local line = ffi.new "pop3_line"
    return function()
        check_turn()
        check(self.handle, lib.pop3_next_line(self.handle, line))
        if line.text ~= nil then return ffi.string(line.text, line.length) end
    end
end

-- The whole message in one string, its line ends as on the wire.
function Connection:retr(number)
    return self:top(number)
end

-- Its header and the first lines of its body.
function Connection:top(number, lines)
    local pieces = {}
    for chunk in self:chunks(number, lines) do pieces[#pieces + 1] = chunk end
    return table.concat(pieces)
end

function Connection:dele(number)
    check(self.handle, lib.pop3_dele(self.handle, whole(number)))
end

-- Ends the session; only now the server deletes.
function Connection:quit()
    check(self.handle, lib.pop3_quit(self.handle))
end

-- Closes at once and deletes nothing, as the garbage collector does.
function Connection:close()
    lib.pop3_close(self.handle)
end

return { connect = connect, lib = lib, version = ffi.string(lib.pop3_version()) }
