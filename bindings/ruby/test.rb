# test.rb HOST PORT SSLPORT CA OTHERCA MESSAGE - the exercise of pop3.rb
# SPDX-License-Identifier: MIT
#
# Run by tests/check_bindings.sh, which has the server; MESSAGE is the file of
# message 1 as it is on the wire, 2 is deleted. Ends with an error or "ok".
require_relative "pop3"

host, port, ssl_port, ca, other_ca, file = ARGV
user, password = "ruby", ENV["POP3_PASSWORD"]
wire = File.binread(file)

def assert(truth)
  raise "not so" unless truth
end

# The error of a block that must fail.
def fails(name)
  yield
rescue Pop3::Error => e
  assert e.name == "POP3_ERROR_#{name}" && e.code > 0 && !e.message.empty?
  e
else
  raise "no #{name}"
end

# A block that must fail before the library is asked.
def refused(kind)
  yield
rescue kind
  nil
else
  raise "no #{kind}"
end

Pop3.connect(host, port.to_i, timeout_ms: 10_000) do |c|
  e = fails("PROTO") { c.login(user, "wrong") }
  assert e.code == 1 && e.reply.start_with?("-ERR [AUTH]")
  assert e.resp_code == "AUTH"
  c.login(user, password)
  fails("PROTO") { c.retr(99) }

  assert c.chunks(1).count > 1
  assert c.retr(1) == wire
  assert c.lines(1).map { |line| line + "\r\n" }.join == wire
  c.chunks(1) { break }
  assert c.top(1, 0) == wire[/\A.*?\r\n\r\n/mn]
  assert c.stat[0] == 3

  [-1, 1.5, 2**64 + 2, "2"].each do |n|
    refused(RangeError) { c.dele(n) }
    refused(RangeError) { c.retr(n) }
    refused(RangeError) { c.top(1, n) }
  end
  refused(ArgumentError) { c.login(user, password + "\0x") }
  refused(RuntimeError) { c.chunks(1) { c.chunks(1) { break } } }

  c.dele(2)
  fails("PROTO") { c.dele(2) }
  c.quit
  fails("STATE") { c.stat }
end

tls = { tls: true, server_name: "localhost" }
c = Pop3.connect(host, ssl_port.to_i, ca_file: ca, **tls) do |c|
  c.login(user, password)
  assert c.stat[0] == 2
  c.dele(1) # which closing takes back
  c
end
fails("STATE") { c.stat }
fails("CERTIFICATE") do
  Pop3.connect(host, ssl_port.to_i, ca_file: other_ca, **tls)
end
puts "ok"
