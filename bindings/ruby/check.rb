# check.rb HOST PORT USER - what mail is there, and what the first is about
# SPDX-License-Identifier: MIT
#
# The password is $POP3_PASSWORD. Run: ruby check.rb localhost 110 me
require_relative "pop3"

host, port, user = ARGV
Pop3.connect(host, port.to_i) do |c|
  c.login(user, ENV["POP3_PASSWORD"])

  messages, octets = c.stat
  puts "#{messages} messages, #{octets} octets"

  uids = c.uidl
  c.list.each { |number, octets| puts "#{number} #{octets} #{uids[number]}" }

  subject = messages > 0 && c.lines(1, 0).find { |line| line =~ /\ASubject:/ni }
  puts subject if subject
  c.quit
end
