# pop3.rb - libpop3 for Ruby
# SPDX-License-Identifier: MIT
#
# Owns the way from C to Ruby: a connection as an object, given to a block and
# closed behind it; errors as exceptions; messages as enumerators. Knows nothing
# of POP3. The library is $LIBPOP3, else the loader's libpop3.so.0. What has no
# method here is declared with Pop3::C.extern, as pop3.h has it. While a call
# waits, other threads of Ruby run; a connection belongs to one at a time.
require "fiddle/import"

module Pop3
  # What of pop3.h is used here.
  module C
    extend Fiddle::Importer
    dlload ENV.fetch("LIBPOP3", "libpop3.so.0")
    typealias "pop3_code", "int"

    Totals = struct ["uint64_t messages", "uint64_t octets"]
    # pop3_sizes and pop3_uids differ in their rows alone. A member named count
    # would be Enumerable's.
    Listing = struct ["const char *status", "size_t status_length",
                      "size_t row_count", "const void *rows", "uint64_t octets"]
    Size = struct ["uint64_t number", "uint64_t octets"]
    Uid = struct ["uint64_t number", "size_t length", "const char *uid"]
    Line = struct ["const char *text", "size_t length", "size_t octets"]
    Slice = struct ["const char *data", "size_t length"] # two results, in fact

    extern "pop3 *pop3_new(void)"
    extern "void pop3_free(pop3 *c)"
    extern "const char *pop3_version(void)"
    extern "const char *pop3_error(const pop3 *c)"
    extern "const char *pop3_code_name(pop3_code code)"
    extern "const char *pop3_reply(const pop3 *c, size_t *length)"
    extern "const char *pop3_resp_code(const pop3 *c)"
    extern "void pop3_set_timeout(pop3 *c, int ms)"
    extern "pop3_code pop3_set_ca_file(pop3 *c, const char *path)"
    extern "pop3_code pop3_set_server_name(pop3 *c, const char *name)"
    extern "pop3_code pop3_connect(pop3 *c, const char *host, int port)"
    extern "pop3_code pop3_connect_ssl(pop3 *c, const char *host, int port)"
    extern "pop3_code pop3_login(pop3 *c, const char *u, const char *password)"
    extern "pop3_code pop3_stat(pop3 *c, pop3_totals *out)"
    extern "pop3_code pop3_list(pop3 *c, pop3_sizes **out)"
    extern "pop3_code pop3_uidl(pop3 *c, pop3_uids **out)"
    extern "void pop3_sizes_free(pop3_sizes *sizes)"
    extern "void pop3_uids_free(pop3_uids *uids)"
    extern "pop3_code pop3_retr_begin(pop3 *c, uint64_t number)"
    extern "pop3_code pop3_top_begin(pop3 *c, uint64_t number, uint64_t lines)"
    extern "pop3_code pop3_next_slice(pop3 *c, const char **data, size_t *n)"
    extern "pop3_code pop3_next_line(pop3 *c, pop3_line *out)"
    extern "pop3_code pop3_dele(pop3 *c, uint64_t number)"
    extern "pop3_code pop3_quit(pop3 *c)"
    extern "void pop3_close(pop3 *c)"
  end

  VERSION = C.pop3_version.to_s

  # Its code, by number and name; the server's line and its response code, ""
  # where there is none.
  class Error < StandardError
    attr_reader :code, :name, :reply, :resp_code

    def initialize(handle, code)
      length = Fiddle::Pointer.malloc(Fiddle::SIZEOF_SIZE_T, Fiddle::RUBY_FREE)
      reply = C.pop3_reply(handle, length)
      @code = code
      @name = C.pop3_code_name(code).to_s
      @reply = reply[0, length[0, Fiddle::SIZEOF_SIZE_T].unpack1("J")]
      @resp_code = C.pop3_resp_code(handle).to_s
      super(C.pop3_error(handle).to_s)
    end
  end

  # One connection. Strings that it gives are binary.
  class Connection
    attr_reader :handle

    def initialize(host, port, tls: false, ca_file: nil, server_name: nil,
                   timeout_ms: nil)
      @begun = 0
      @handle = C.pop3_new
      raise NoMemoryError if @handle.null?
      @handle.free = C["pop3_free"]
      open host, port, tls, ca_file, server_name, timeout_ms
    rescue Error # at once: the collector does not know how much it holds
      @handle.free = nil
      C.pop3_free(@handle)
      raise
    end

    def login(user, password)
      nul = [user, password].any? { |word| word.to_s.b.include?("\0") }
      raise ArgumentError, "NUL in a login" if nul
      check C.pop3_login(@handle, user, password)
    end

    # [messages, octets]
    def stat
      totals = C::Totals.malloc(Fiddle::RUBY_FREE)
      check C.pop3_stat(@handle, totals)
      [totals.messages, totals.octets]
    end

    # { number => octets }, in the server's order.
    def list
      rows(:pop3_list, :pop3_sizes_free, C::Size) { |row| row.octets }
    end

    # { number => uid }
    def uidl
      rows(:pop3_uidl, :pop3_uids_free, C::Uid) { |row| row.uid[0, row.length] }
    end

    # The whole message, its line ends as on the wire.
    def retr(number)
      chunks(number).inject(String.new, :<<)
    end

    # Its header and the first lines of its body.
    def top(number, lines)
      chunks(number, lines).inject(String.new, :<<)
    end

    # The message in pieces, cut anywhere; with lines: only what TOP gives. What
    # is not read of it, the next command skips.
    def chunks(number, lines = nil)
      return to_enum(__method__, number, lines) unless block_given?
      begun = start(number, lines)
      slice = C::Slice.malloc(Fiddle::RUBY_FREE)
      at = slice.to_ptr
      loop do
        check_turn begun
        check C.pop3_next_slice(@handle, at, at + Fiddle::SIZEOF_VOIDP)
        break if slice.data.null?
        yield slice.data[0, slice.length]
      end
    end

    # The message line by line, without their ends.
    def lines(number, lines = nil)
      return to_enum(__method__, number, lines) unless block_given?
      begun = start(number, lines)
      line = C::Line.malloc(Fiddle::RUBY_FREE)
      loop do
        check_turn begun
        check C.pop3_next_line(@handle, line)
        break if line.text.null?
        yield line.text[0, line.length]
      end
    end

    def dele(number)
      check C.pop3_dele(@handle, whole(number))
    end

    # Ends the session; only now the server deletes.
    def quit
      check C.pop3_quit(@handle)
    end

    # Closes at once and deletes nothing, as the garbage collector does.
    def close
      C.pop3_close(@handle)
    end

    private

    def open(host, port, tls, ca_file, server_name, timeout_ms)
      C.pop3_set_timeout(@handle, timeout_ms) if timeout_ms
      check C.pop3_set_ca_file(@handle, ca_file) if ca_file
      check C.pop3_set_server_name(@handle, server_name) if server_name
      check(if tls then C.pop3_connect_ssl(@handle, host, port)
            else C.pop3_connect(@handle, host, port) end)
    end

    def check(code)
      raise Error.new(@handle, code) unless code.zero?
    end

    # Numbers that C would cut to others are refused.
    def whole(number)
      return number if number.is_a?(Integer) && number.between?(0, 2**64 - 1)
      raise RangeError, "not a whole number of 64 bits: #{number.inspect}"
    end

    # Begins a message; which of this connection it is, for check_turn.
    def start(number, lines)
      number, lines = whole(number), lines && whole(lines)
      @begun += 1
      check(if lines then C.pop3_top_begin(@handle, number, lines)
            else C.pop3_retr_begin(@handle, number) end)
      @begun
    end

    def check_turn(begun)
      raise "another message was begun" if begun != @begun
    end

    def rows(ask, free, kind)
      out = Fiddle::Pointer.malloc(Fiddle::SIZEOF_VOIDP, Fiddle::RUBY_FREE)
      check C.send(ask, @handle, out)
      answer = C::Listing.new(out.ptr)
      answer.row_count.times.to_h do |i|
        row = kind.new(answer.rows + i * kind.size)
        [row.number, yield(row)]
      end
    ensure
      C.send(free, out.ptr) if answer
    end
  end

  # A connection; with a block: given to it, closed behind it, its value
  # returned. Options: tls, ca_file, server_name, timeout_ms.
  def self.connect(host, port = 0, **options)
    connection = Connection.new(host, port, **options)
    return connection unless block_given?
    begin
      yield connection
    ensure
      connection.close
    end
  end
end
