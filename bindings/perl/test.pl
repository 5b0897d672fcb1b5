# test.pl HOST PORT SSLPORT CA OTHERCA MESSAGE - the exercise of Pop3.pm
# SPDX-License-Identifier: MIT
#
# Run by tests/check_bindings.sh, which has the server; MESSAGE is the file of
# message 1 as it is on the wire, 2 is deleted. Ends with an error or "ok".
use v5.20;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Pop3;

my ($host, $port, $ssl_port, $ca, $other_ca, $file) = @ARGV;
my ($user, $password) = ('perl', $ENV{POP3_PASSWORD});
open my $in, '<:raw', $file or die;
my $wire = do { local $/; <$in> };

sub assert {
    my ($truth) = @_;
    die 'not so, line ' . (caller)[2] unless $truth;
}

# The error of a block that must fail.
sub fails(&$) {
    my ($block, $name) = @_;
    die "no $name" if eval { $block->(); 1 };
    my $e = $@;
    die $e unless ref $e && $e->name eq "POP3_ERROR_$name";
    assert($e->code > 0 && "$e" ne '');
    return $e;
}

# A block that must fail before the library is asked.
sub refused(&$) {
    my ($block, $text) = @_;
    die "not refused: $text" if eval { $block->(); 1 };
    die $@ unless $@ =~ $text;
}

my $c = Pop3->connect($host, $port, timeout_ms => 10_000);
my $e = fails { $c->login($user, 'wrong') } 'PROTO';
assert($e->code == 1 && $e->reply =~ /^-ERR \[AUTH\]/);
assert($e->resp_code eq 'AUTH');
$c->login($user, $password);
fails { $c->retr(99) } 'PROTO';

my ($next, $pieces, $text) = ($c->chunks(1), 0, '');
$pieces++ while defined $next->();
assert($pieces > 1 && $c->retr(1) eq $wire);
$next = $c->lines(1);
while (defined(my $line = $next->())) { $text .= "$line\r\n" }
assert($text eq $wire);
$c->chunks(1)->();
assert($c->top(1, 0) eq $wire =~ s/\r\n\r\n\K.*//sr && ($c->stat)[0] == 3);

for my $n (-1, 1.5, 2**64 + 2, '2x', "2\n") {
    refused { $c->dele($n) } 'whole';
    refused { $c->retr($n) } 'whole';
    refused { $c->top(1, $n) } 'whole';
}
refused { $c->login($user, "$password\0x") } 'NUL';
my $first = $c->chunks(1);
$c->chunks(1)->();
refused { $first->() } 'another message';
assert(Pop3->CLONE_SKIP);

$c->dele(2);
fails { $c->dele(2) } 'PROTO';
$c->quit;
fails { $c->stat } 'STATE';

my @tls = (tls => 1, server_name => 'localhost');
$c = Pop3->connect($host, $ssl_port, ca_file => $ca, @tls);
$c->login($user, $password);
assert(($c->stat)[0] == 2);
$c->dele(1); # which closing takes back
$c->close;
fails { $c->stat } 'STATE';
fails {
    Pop3->connect($host, $ssl_port, ca_file => $other_ca, @tls)
} 'CERTIFICATE';
say 'ok';
