<?php
// pop3.php - libpop3 for PHP
// SPDX-License-Identifier: MIT
//
// Owns the way from pop3.h to PHP: a connection as an object, errors as
// exceptions, messages as generators. Knows nothing of POP3. Needs the extension
// FFI, which ffi.enable at first allows on the command line alone. The library
// is $LIBPOP3, else the loader's libpop3.so.0; its header $LIBPOP3_H, else that of
// the source tree or of the system. What has no method here is called as in C:
// Pop3::lib()->pop3_noop($c->handle).

// Its code and name; the server's line and its response code, "" for none.
final class Pop3Exception extends RuntimeException
{
    public function __construct(string $message, int $code,
                                public readonly string $name,
                                public readonly string $reply,
                                public readonly string $respCode)
    {
        parent::__construct($message, $code);
    }
}

final class Pop3
{
    public readonly FFI\CData $handle;
    private int $begun = 0; // messages

    // pop3.h without the lines of the preprocessor and what stands for C++
    // alone; and without const, for what is const PHP would read up to a NUL.
    private static function declarations(): string
    {
        $names = [getenv('LIBPOP3_H') ?: __DIR__ . '/../../include/pop3.h',
                  '/usr/local/include/pop3.h', '/usr/include/pop3.h'];
        foreach (array_filter($names, 'is_file') as $name) {
            return preg_replace(
                ['/^#ifdef __cplusplus.*?^#endif/ms', '/^#.*/m', '/const char/'],
                ['', '', 'char'], file_get_contents($name));
        }
        throw new RuntimeException('pop3.h not found: set LIBPOP3_H');
    }

    // The functions and constants of pop3.h.
    public static function lib(): FFI
    {
        static $lib;
        return $lib ??= FFI::cdef(self::declarations(),
                                  getenv('LIBPOP3') ?: 'libpop3.so.0');
    }

    public static function version(): string
    {
        return FFI::string(self::lib()->pop3_version());
    }

    // Connects. timeoutMs: the longest wait, null: a minute.
    public function __construct(string $host, int $port = 0, bool $tls = false,
                                ?string $caFile = null,
                                ?string $serverName = null,
                                ?int $timeoutMs = null)
    {
        $this->handle = self::lib()->pop3_new()
            ?? throw new RuntimeException('out of memory');
        try {
            if ($timeoutMs !== null) {
                self::lib()->pop3_set_timeout($this->handle, $timeoutMs);
            }
            if ($caFile !== null) {
                $this->call('set_ca_file', $caFile);
            }
            if ($serverName !== null) {
                $this->call('set_server_name', $serverName);
            }
            $this->call($tls ? 'connect_ssl' : 'connect', $host, $port);
        } catch (Throwable $error) { // no destructor runs then
            self::lib()->pop3_free($this->handle);
            throw $error;
        }
    }

    // Two of one handle would free it twice.
    private function __clone()
    {
    }

    public function __destruct()
    {
        if (isset($this->handle)) {
            self::lib()->pop3_free($this->handle);
        }
    }

    // Calls pop3_$verb on the handle; throws unless it returns POP3_OK.
    private function call(string $verb, mixed ...$arguments): void
    {
        $lib = self::lib();
        $code = $lib->{"pop3_$verb"}($this->handle, ...$arguments);
        if ($code === $lib->POP3_OK) {
            return;
        }
        $length = $lib->new('size_t');
        $reply = $lib->pop3_reply($this->handle, FFI::addr($length));
        throw new Pop3Exception(
            FFI::string($lib->pop3_error($this->handle)), $code,
            FFI::string($lib->pop3_code_name($code)),
            FFI::string($reply, $length->cdata),
            FFI::string($lib->pop3_resp_code($this->handle)));
    }

    public function login(string $user, string $password): void
    {
        if (str_contains("$user$password", "\0")) {
            throw new ValueError('NUL in a login');
        }
        $this->call('login', $user, $password);
    }

    // [messages, octets]
    public function stat(): array
    {
        $totals = self::lib()->new('pop3_totals');
        $this->call('stat', FFI::addr($totals));
        return [$totals->messages, $totals->octets];
    }

    // The rows of a listing: number => what $value makes of a row.
    private function rows(string $verb, string $type, callable $value): array
    {
        $answer = self::lib()->new("pop3_$type *");
        $this->call($verb, FFI::addr($answer));
        $rows = [];
        for ($i = 0; $i < $answer->count; $i++) {
            $rows[$answer->rows[$i]->number] = $value($answer->rows[$i]);
        }
        self::lib()->{"pop3_{$type}_free"}($answer);
        return $rows;
    }

    // [number => octets], in the server's order
    public function list(): array
    {
        return $this->rows('list', 'sizes', fn($row) => $row->octets);
    }

    // [number => uid]
    public function uidl(): array
    {
        return $this->rows('uidl', 'uids',
                           fn($row) => FFI::string($row->uid, $row->length));
    }

    // C would take a negative number for another one.
    private static function whole(int $number): int
    {
        return $number >= 0 ? $number
            : throw new ValueError("not a number of a message: $number");
    }

    // Begins a message; which of this connection it is, for checkTurn.
    private function start(int $number, ?int $lines): int
    {
        self::whole($number);
        self::whole($lines ?? 0);
        $this->begun++;
        if ($lines === null) {
            $this->call('retr_begin', $number);
        } else {
            $this->call('top_begin', $number, $lines);
        }
        return $this->begun;
    }

    private function checkTurn(int $begun): void
    {
        if ($begun !== $this->begun) {
            throw new LogicException('another message was begun');
        }
    }

    // The message in pieces, cut anywhere; with $lines: only what TOP gives. What
    // is not read of it, the next command skips.
    public function chunks(int $number, ?int $lines = null): Generator
    {
        $begun = $this->start($number, $lines);
        $data = self::lib()->new('char *');
        $length = self::lib()->new('size_t');
        while (true) {
            $this->checkTurn($begun);
            $this->call('next_slice', FFI::addr($data), FFI::addr($length));
            if (FFI::isNull($data)) {
                return;
            }
            yield FFI::string($data, $length->cdata);
        }
    }

    // The message line by line, without their ends.
    public function lines(int $number, ?int $lines = null): Generator
    {
        $begun = $this->start($number, $lines);
        $line = self::lib()->new('pop3_line');
        while (true) {
            $this->checkTurn($begun);
            $this->call('next_line', FFI::addr($line));
            if ($line->text === null) {
                return;
            }
            yield FFI::string($line->text, $line->length);
        }
    }

    // The whole message, its line ends as on the wire.
    public function retr(int $number): string
    {
        return implode(iterator_to_array($this->chunks($number)));
    }

    // Its header and the first lines of its body.
    public function top(int $number, int $lines): string
    {
        return implode(iterator_to_array($this->chunks($number, $lines)));
    }

    public function dele(int $number): void
    {
        $this->call('dele', self::whole($number));
    }

    // Ends the session; only now the server deletes.
    public function quit(): void
    {
        $this->call('quit');
    }

    // Closes at once and deletes nothing, as the object's end does.
    public function close(): void
    {
        self::lib()->pop3_close($this->handle);
    }
}
