# SPDX-License-Identifier: Apache-2.0
# A session of Sys::Virt; prints what it was answered as JSON. sysvirt_session.pl URI DOCUMENT
use strict;
use warnings;
use JSON::PP;
use Sys::Virt;
use Sys::Virt::Event;

my ($uri, $file) = @ARGV;
Sys::Virt::Event::register_default();
my $conn = Sys::Virt->new(uri => $uri);
my @events;
$conn->domain_event_register_any(undef, Sys::Virt::Domain::EVENT_ID_LIFECYCLE,
    sub { my ($c, $dom, $event, $detail) = @_; push @events, [$event, $detail]; });
my %said = (type => $conn->get_type());
open(my $in, "<", $file) or die $!;
my $dom = $conn->define_domain(join "", <$in>);
$said{domains} = [map { $_->get_name() } $conn->list_all_domains(0)];
$dom->create();
$said{state} = $dom->get_info()->{state};
$dom->suspend();
$said{paused} = $dom->get_info()->{state};
$dom->resume();
$said{memory} = $dom->get_max_memory() + 0;
my $stream = $conn->new_stream();
$said{screen} = $dom->screenshot($stream, 0);
$stream->recv_all(sub { return length $_[1] });
$stream->finish();
eval { $conn->get_domain_by_name("nobody") };
$said{error} = [$@->code() + 0, $@->domain() + 0];
$dom->destroy();
$dom->undefine();
my $end = time + 30;
Sys::Virt::Event::add_timeout(100, sub { });
Sys::Virt::Event::run_default() while (!grep { $_->[0] == 1 } @events) && time < $end;
$said{events} = \@events;
print encode_json(\%said);
