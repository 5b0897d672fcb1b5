<?php
// check.php HOST PORT USER - what mail is there, and what the first is about
// SPDX-License-Identifier: MIT
//
// The password is $POP3_PASSWORD. Run: php check.php localhost 110 me
require __DIR__ . '/pop3.php';

[, $host, $port, $user] = $argv;
$c = new Pop3($host, (int) $port);
$c->login($user, getenv('POP3_PASSWORD'));

[$messages, $octets] = $c->stat();
echo "$messages messages, $octets octets\n";

$uids = $c->uidl();
foreach ($c->list() as $number => $octets) {
    echo "$number $octets $uids[$number]\n";
}

foreach ($messages ? $c->lines(1, 0) : [] as $line) {
    if (preg_match('/^Subject:/i', $line)) {
        echo "$line\n";
        break;
    }
}
$c->quit();
