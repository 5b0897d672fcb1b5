# Pop3.pm - libpop3 for Perl
# SPDX-License-Identifier: MIT
#
# Owns the way from C to Perl: a connection as an object, errors as objects that
# die, messages as iterators. Knows nothing of POP3. Needs FFI::Platypus. The
# library is $LIBPOP3, else the loader's libpop3.so.0. What has no method here is
# attached with $Pop3::ffi, as pop3.h has it, and given $c->{handle}.
package Pop3;
use v5.20;
use warnings;
use Carp qw(croak shortmess);
use FFI::Platypus 2.00;
use FFI::Platypus::Buffer qw(buffer_to_scalar);

our $ffi = FFI::Platypus->new(api => 2, lib => $ENV{LIBPOP3} // 'libpop3.so.0');
$ffi->type(int => 'pop3_code');
$ffi->type(opaque => 'pop3');      # pop3 *
$ffi->type('opaque*' => 'out');    # T **, or what an out parameter points to
$ffi->attach(@$_) for (
    [pop3_new               => []                             => 'pop3'],
    [pop3_free              => ['pop3']                       => 'void'],
    [pop3_version           => []                             => 'string'],
    [pop3_error             => ['pop3']                       => 'string'],
    [pop3_code_name         => ['pop3_code']                  => 'string'],
    [pop3_reply             => ['pop3', 'size_t*']            => 'opaque'],
    [pop3_resp_code         => ['pop3']                       => 'string'],
    [pop3_set_timeout       => ['pop3', 'int']                => 'void'],
    [pop3_set_ca_file       => ['pop3', 'string']             => 'pop3_code'],
    [pop3_set_server_name   => ['pop3', 'string']             => 'pop3_code'],
    [pop3_connect           => ['pop3', 'string', 'int']      => 'pop3_code'],
    [pop3_connect_ssl       => ['pop3', 'string', 'int']      => 'pop3_code'],
    [pop3_login             => ['pop3', 'string', 'string']   => 'pop3_code'],
    [pop3_stat              => ['pop3', 'uint64[2]']          => 'pop3_code'],
    [pop3_list              => ['pop3', 'out']                => 'pop3_code'],
    [pop3_uidl              => ['pop3', 'out']                => 'pop3_code'],
    [pop3_sizes_free        => ['opaque']                     => 'void'],
    [pop3_uids_free         => ['opaque']                     => 'void'],
    [pop3_retr_begin        => ['pop3', 'uint64']             => 'pop3_code'],
    [pop3_top_begin         => ['pop3', 'uint64', 'uint64']   => 'pop3_code'],
    [pop3_next_slice        => ['pop3', 'out', 'size_t*']     => 'pop3_code'],
    [pop3_next_line         => ['pop3', 'opaque[3]']          => 'pop3_code'],
    [pop3_dele              => ['pop3', 'uint64']             => 'pop3_code'],
    [pop3_quit              => ['pop3']                       => 'pop3_code'],
    [pop3_close             => ['pop3']                       => 'void'],
);

our $VERSION = pop3_version();

# What Pop3's methods die of: code and its name; message, for people; the
# server's line, "" where there is none, and its response code. As a string it is
# the message, and where that was.
package Pop3::Error {
    use overload '""' => sub { $_[0]{text} }, fallback => 1;
    sub code      { $_[0]{code} }
    sub name      { $_[0]{name} }
    sub message   { $_[0]{message} }
    sub reply     { $_[0]{reply} }
    sub resp_code { $_[0]{resp_code} }
}

sub _check {
    my ($self, $code) = @_;
    return if $code == 0;
    my $message = pop3_error($self->{handle});
    my $reply = pop3_reply($self->{handle}, \my $length);
    die bless {
        code      => $code,
        name      => pop3_code_name($code),
        message   => $message,
        text      => shortmess($message),
        reply     => buffer_to_scalar($reply, $length),
        resp_code => pop3_resp_code($self->{handle}),
    }, 'Pop3::Error';
}

# Pop3->connect($host, $port, tls => 1, ca_file, server_name, timeout_ms)
sub connect {
    my ($class, $host, $port, %o) = @_;
    my $self = bless { handle => pop3_new() // die 'out of memory' }, $class;
    my $c = $self->{handle};
    pop3_set_timeout($c, $o{timeout_ms}) if defined $o{timeout_ms};
    $self->_check(pop3_set_ca_file($c, $o{ca_file})) if defined $o{ca_file};
    $self->_check(pop3_set_server_name($c, $o{server_name}))
        if defined $o{server_name};
    $self->_check($o{tls} ? pop3_connect_ssl($c, $host, $port // 0)
                         : pop3_connect($c, $host, $port // 0));
    return $self;
}

sub DESTROY { pop3_free($_[0]{handle}) }
sub CLONE_SKIP { 1 }    # a new thread gets no copy, which it would free too

# Numbers that C would cut to others are refused.
sub _whole {
    for (map { $_ // 'undef' } @_) {
        /\A[0-9]{1,19}\z/ or croak "not a whole number: $_";
    }
    return @_;
}

sub login {
    my ($self, $user, $password) = @_;
    croak 'NUL in a login' if "$user$password" =~ /\0/;
    $self->_check(pop3_login($self->{handle}, $user, $password));
}

# ($messages, $octets)
sub stat {
    my ($self) = @_;
    my @totals = (0, 0);
    $self->_check(pop3_stat($self->{handle}, \@totals));
    return @totals;
}

# The rows of a pop3_sizes or pop3_uids, a string each.
sub _rows {
    my ($answer, $size) = @_;
    my (undef, undef, $count, $rows) =
        unpack 'L!4', buffer_to_scalar($answer, length pack 'L!4');
    return unless $count;
    return unpack "(a$size)$count", buffer_to_scalar($rows, $count * $size);
}

# ($number => $octets, ...), in the server's order; a hash, if you like.
sub list {
    my ($self) = @_;
    $self->_check(pop3_list($self->{handle}, \my $answer));
    my @pairs = map { unpack 'Q2', $_ } _rows($answer, length pack 'Q2');
    pop3_sizes_free($answer);
    return @pairs;
}

# ($number => $uid, ...)
sub uidl {
    my ($self) = @_;
    $self->_check(pop3_uidl($self->{handle}, \my $answer));
    my @pairs = map {
        my ($number, $length, $uid) = unpack 'Q L!2', $_;
        $number => buffer_to_scalar($uid, $length);
    } _rows($answer, length pack 'Q L!2');
    pop3_uids_free($answer);
    return @pairs;
}

# Begins a message; what says for each piece whether it is still this one that
# comes.
sub _start {
    my ($self, $number, $lines) = @_;
    _whole($number, $lines // ());
    my $begun = ++$self->{begun};
    $self->_check(defined $lines
        ? pop3_top_begin($self->{handle}, $number, $lines)
        : pop3_retr_begin($self->{handle}, $number));
    return sub {
        $begun == $self->{begun} or croak 'another message was begun';
    };
}

# my $next = $c->chunks($number); while (defined(my $chunk = $next->())) {...}
# The message in pieces, cut anywhere; with $lines: only what TOP gives. What is
# not read of it, the next command skips.
sub chunks {
    my ($self, @what) = @_;
    my $check_turn = $self->_start(@what);
    return sub {
        $check_turn->();
        $self->_check(
            pop3_next_slice($self->{handle}, \my $data, \my $length));
        return defined $data ? buffer_to_scalar($data, $length) : undef;
    };
}

# The same with lines, without their ends.
sub lines {
    my ($self, @what) = @_;
    my $check_turn = $self->_start(@what);
    return sub {
        $check_turn->();
        $self->_check(pop3_next_line($self->{handle}, \my @line));
        my ($text, $length) = @line;
        return defined $text ? buffer_to_scalar($text, $length // 0) : undef;
    };
}

# The whole message, its line ends as on the wire.
sub retr {
    my ($self, @what) = @_;
    my $next = $self->chunks(@what);
    my ($message, $chunk) = '';
    $message .= $chunk while defined($chunk = $next->());
    return $message;
}

# Its header and the first lines of its body.
sub top {
    my ($self, $number, $lines) = @_;
    return $self->retr($number, $lines);
}

sub dele {
    my ($self, $number) = @_;
    $self->_check(pop3_dele($self->{handle}, _whole($number)));
}

# Ends the session; only now the server deletes.
sub quit {
    my ($self) = @_;
    $self->_check(pop3_quit($self->{handle}));
}

# Closes at once and deletes nothing, as the last reference's going does.
sub close {
    my ($self) = @_;
    pop3_close($self->{handle});
}

1;
