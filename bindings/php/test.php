<?php
// test.php HOST PORT SSLPORT CA OTHERCA MESSAGE - the exercise of pop3.php
// SPDX-License-Identifier: MIT
//
// Run by tests/check_bindings.sh, which has the server; MESSAGE is the file of
// message 1 as it is on the wire, 2 is deleted. Ends with an error or "ok".
require __DIR__ . '/pop3.php';

[, $host, $port, $ssl_port, $ca, $other_ca, $file] = $argv;
[$user, $password] = ['php', getenv('POP3_PASSWORD')];
$wire = file_get_contents($file);

set_error_handler(function ($level, $text, $where, $line) {
    throw new ErrorException($text, 0, $level, $where, $line);
});

function check(bool $truth): void
{
    $truth || throw new LogicException('not so');
}

// The exception of a call that must fail.
function fails(string $name, callable $call): Pop3Exception
{
    try {
        $call();
    } catch (Pop3Exception $e) {
        check($e->name === "POP3_ERROR_$name" && $e->getMessage() !== ''
              && $e->getCode() === Pop3::lib()->{$e->name});
        return $e;
    }
    throw new LogicException("no $name");
}

// A call that must fail before the library is asked.
function refused(string $kind, callable $call): void
{
    try {
        $call();
    } catch (Throwable $e) {
        check($e instanceof $kind);
        return;
    }
    throw new LogicException("no $kind");
}

$c = new Pop3($host, (int) $port, timeoutMs: 10000);
$e = fails('PROTO', fn() => $c->login($user, 'wrong'));
check(str_starts_with($e->reply, '-ERR [AUTH]') && $e->respCode === 'AUTH');
$c->login($user, $password);
fails('PROTO', fn() => $c->retr(99));

check(iterator_count($c->chunks(1)) > 1 && $c->retr(1) === $wire);
$text = '';
foreach ($c->lines(1) as $line) {
    $text .= "$line\r\n";
}
check($text === $wire);
foreach ($c->chunks(1) as $chunk) {
    break;
}
check($c->top(1, 0) === strstr($wire, "\r\n\r\n", true) . "\r\n\r\n");
check($c->stat()[0] === 3);

foreach ([-1, PHP_INT_MIN] as $n) {
    refused('ValueError', fn() => $c->dele($n));
    refused('ValueError', fn() => $c->retr($n));
    refused('ValueError', fn() => $c->top(1, $n));
}
refused('TypeError', fn() => $c->dele(2 ** 64 + 2));
refused('ErrorException', fn() => $c->dele(2.5)); // what PHP itself says
refused('ValueError', fn() => $c->login($user, "$password\0x"));
refused('Error', fn() => clone $c);
$first = $c->chunks(1);
$first->current();
$c->chunks(1)->current();
refused('LogicException', fn() => $first->next());

$c->dele(2);
fails('PROTO', fn() => $c->dele(2));
$c->quit();
fails('STATE', fn() => $c->stat());

$c = new Pop3($host, (int) $ssl_port, tls: true, caFile: $ca,
              serverName: 'localhost');
$c->login($user, $password);
check($c->stat()[0] === 2);
$c->dele(1); // which closing takes back
$c->close();
fails('STATE', fn() => $c->stat());
fails('CERTIFICATE', fn() => new Pop3($host, (int) $ssl_port, tls: true,
    caFile: $other_ca, serverName: 'localhost'));
echo "ok\n";
