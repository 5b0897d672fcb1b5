# check.pl HOST PORT USER - what mail is there, and what the first is about
# SPDX-License-Identifier: MIT
#
# The password is $POP3_PASSWORD. Run: perl check.pl localhost 110 me
use v5.20;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Pop3;

my ($host, $port, $user) = @ARGV;
my $c = Pop3->connect($host, $port);
$c->login($user, $ENV{POP3_PASSWORD});

my ($messages, $octets) = $c->stat;
say "$messages messages, $octets octets";

my %uid = $c->uidl;
my %octets = $c->list;
say "$_ $octets{$_} $uid{$_}" for sort { $a <=> $b } keys %octets;

if ($messages) {
    my $next = $c->lines(1, 0);
    while (defined(my $line = $next->())) {
        say($line), last if $line =~ /^Subject:/i;
    }
}
$c->quit;
