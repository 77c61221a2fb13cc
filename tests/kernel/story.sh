# The story of the product with the kernel's WireGuard on both sides.
#
#     site ======== gateway ======== home
#       lan   zephyr       orbit  uplink
#
#     site      10.77.0.10                  a web server that knows nothing of the VPN; 2001:db8:77::10, too
#     gateway   10.77.0.1, 203.0.113.2      `vpn-enabler serve`; 192.168.2.1/24 in the VPN; 2001:db8:77::1 at the site
#     home      203.0.113.9                 a client: the kernel's WireGuard, set up with stock wg and ip

mkdir -p /site /state

on() {
  node=$1
  shift
  ip netns exec "$node" "$@"
}

# link A A_INTERFACE A_ADDRESS B B_INTERFACE B_ADDRESS
link() {
  ip link add "$2" netns "$1" type veth peer name "$5" netns "$4" &&
    ip -n "$1" addr add "$3/24" dev "$2" && ip -n "$4" addr add "$6/24" dev "$5" &&
    ip -n "$1" link set "$2" up && ip -n "$4" link set "$5" up
}

make_world() {
  for node in site gateway home; do
    ip netns add $node && ip -n $node link set lo up || return
  done
  link site lan 10.77.0.10 gateway zephyr 10.77.0.1 || return
  ip -n site addr add 2001:db8:77::10/64 dev lan nodad && ip -n gateway addr add 2001:db8:77::1/64 dev zephyr nodad || return
  link gateway orbit 203.0.113.2 home uplink 203.0.113.9 || return
  echo "the page of the site" >/site/index.html
  on site httpd -h /site -p 80
}

api() {
  path=$1
  shift
  on gateway curl --silent --show-error --fail --max-time 5 "$@" "http://127.0.0.1:3000$path"
}

# The gateway's private key. The kernel clamps it, and must not take it for a new one at every start.
unclamped_key=//////////////////////////////////////////8=

# serve SETTING=VALUE...
serve() {
  [ -z "$gateway" ] || return
  /usr/sbin/ip netns exec gateway env STATE_DIR=/state SERVER_IP=203.0.113.2 WG_PRIVATE_KEY=$unclamped_key "$@" vpn-enabler serve >>/tmp/gateway.log 2>&1 &
  gateway=$!
  within 20 serves
}
serves() { api /health >/dev/null 2>&1; }

stop() {
  kill "$1" "$gateway"
  wait "$gateway"
  code=$?
  gateway=
  return $code
}

# value_of KEY JSON
value_of() { echo "$2" | sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/"; }

answered() { on home ping -n -q -c 1 -W 1 "$1" >/dev/null; }
unanswered() { ! answered "$1"; }
loses_nothing() { on home ping -n -q -c 20 -i 0.1 -W 2 "$1" | grep "20 packets transmitted, 20 received"; }

falls_back() {
  serve TUNNEL=auto && on gateway wg show wg0 listen-port 2>/dev/null
  grep -q '(userspace)' /tmp/gateway.log && stop -TERM
}

is_required() {
  on gateway env STATE_DIR=/state TUNNEL=kernel vpn-enabler serve >/tmp/refusal 2>&1 && return 1
  cat /tmp/refusal
  grep -q "this kernel has no WireGuard" /tmp/refusal && expect "interfaces" "$(on gateway wg show interfaces)" ""
}

takes_kernel() {
  serve TUNNEL=auto && tail -n 20 /tmp/gateway.log | grep -q 'on wg0 (kernel)' &&
    ip -n gateway -d link show wg0 | grep -w wireguard
}

create_client() {
  keys=$(api /keys) || return
  client_key=$(value_of public "$keys")
  value_of private "$keys" >/tmp/private
  value_of preshared "$keys" >/tmp/preshared
  answer=$(api /client --json "{\"publicKey\":\"$client_key\",\"presharedKey\":\"$(cat /tmp/preshared)\"}") || return
  expect "the client's address" "$(value_of clientIP "$answer")" 192.168.2.2/32 || return
  server_key=$(value_of serverPublicKey "$answer")
}

connect_client() {
  ip -n home link add wgc type wireguard &&
    on home wg set wgc private-key /tmp/private peer "$server_key" preshared-key /tmp/preshared \
      endpoint 203.0.113.2:51820 allowed-ips 0.0.0.0/0 persistent-keepalive 25 &&
    ip -n home addr add 192.168.2.2/32 dev wgc && ip -n home link set wgc mtu 1420 up &&
    ip -n home route add 192.168.2.0/24 dev wgc && ip -n home route add 10.77.0.0/24 dev wgc
}

reaches_site() {
  within 5 answered 192.168.2.1 && loses_nothing 192.168.2.1 && loses_nothing 10.77.0.10 &&
    expect "the page" "$(on home curl --silent --max-time 5 http://10.77.0.10/)" "the page of the site"
}

is_shown() {
  on gateway wg show wg0 dump | grep -q "^$client_key	$(cat /tmp/preshared)	203.0.113.9:[0-9]*	192.168.2.2/32	"
}

switch() { api "/client/$1" -X PUT --data-urlencode "publicKey=$client_key"; }
disable() { switch disable && within 1 unanswered 10.77.0.10; }
enable() { switch enable && within 1 answered 10.77.0.10 && loses_nothing 10.77.0.10; }
delete() {
  api /client -X DELETE --data-urlencode "publicKey=$client_key" && within 1 unanswered 10.77.0.10 &&
    expect "peers" "$(on gateway wg show wg0 peers)" ""
}

# echoes TYPE: how many ICMP messages of this type home has counted: OutType8 are requests, InType0 answers.
echoes() {
  on home awk -v type="$1" '/^IcmpMsg:/ { if (!seen++) split($0, name); else for (i in name) if (name[i] == type) print $i }' /proc/net/snmp
}
unanswered_echoes() { echo $(($(echoes OutType8) - $(echoes InType0))); }
# hundreds_are_answered: waits for 200 answers more.
hundreds_are_answered() {
  answers=$(($(echoes InType0) + 200))
  within 20 are_answered
}
are_answered() { [ "$(echoes InType0)" -ge "$answers" ]; }
all_are_answered() { [ "$(unanswered_echoes)" = "$lost_before" ]; }

# restarted_under_flood SIGNAL: nothing is lost while the gateway is away and back, to itself and through it to the site.
restarted_under_flood() {
  index=$(on gateway cat /sys/class/net/wg0/ifindex)
  handshake=$(on gateway wg show wg0 latest-handshakes)
  lost_before=$(unanswered_echoes)
  sent_before=$(echoes OutType8)
  floods=
  for target in 192.168.2.1 10.77.0.10; do
    /usr/sbin/ip netns exec home ping -n -q -i 0.004 $target &
    floods="$floods $!"
  done
  hundreds_are_answered || return
  stop "$1"
  hundreds_are_answered || return
  serve TUNNEL=auto || return
  hundreds_are_answered || return
  kill -INT $floods
  wait $floods
  sent=$(($(echoes OutType8) - sent_before))
  within 5 all_are_answered || return
  echo "flood: of $sent packets none was lost"
  expect "500 packets or more" $((sent >= 500)) 1 &&
    expect "wg0 is the same" "$(on gateway cat /sys/class/net/wg0/ifindex)" "$index" &&
    expect "the session is the same" "$(on gateway wg show wg0 latest-handshakes)" "$handshake"
}
clean_restart() { restarted_under_flood -TERM; }
restart_after_kill() { restarted_under_flood -KILL; }

global_ipv6() { ip -n gateway -6 -o addr show dev wg0 scope global | awk '{ print $4 }'; }
allowed_ips() { on gateway wg show wg0 allowed-ips | cut -f 2; }

# The interface that runs is given IPv6 and loses it, by a restart each.
gains_ipv6() {
  index=$(on gateway cat /sys/class/net/wg0/ifindex)
  stop -TERM
  serve TUNNEL=auto WG_SUBNET6=fd00:2::1/64 || return
  client6=$(value_of clientIP6 "$(api /clients)")
  expect "wg0 is the same" "$(on gateway cat /sys/class/net/wg0/ifindex)" "$index" &&
    expect "the gateway's address" "$(global_ipv6)" fd00:2::1/64 &&
    expect "the client's address" "$client6" fd00:2::c0a8:202/128 &&
    expect "its allowed IPs" "$(allowed_ips)" "192.168.2.2/32 $client6" || return
  on home wg set wgc peer "$server_key" allowed-ips 0.0.0.0/0,::/0 && ip -n home addr add "$client6" dev wgc &&
    ip -n home route add fd00:2::/64 dev wgc && ip -n home route add 2001:db8:77::/64 dev wgc || return
  within 5 answered fd00:2::1 && loses_nothing 2001:db8:77::10 && loses_nothing 10.77.0.10
}
loses_ipv6() {
  stop -TERM
  serve TUNNEL=auto && expect "the gateway's address" "$(global_ipv6)" "" &&
    expect "the client's allowed IPs" "$(allowed_ips)" 192.168.2.2/32 &&
    unanswered fd00:2::1 && unanswered 2001:db8:77::10 && loses_nothing 10.77.0.10
}

leaves_strangers_alone() {
  ip -n gateway link add wg7 mtu 1333 type wireguard &&
    on gateway wg set wg7 listen-port 7777 private-key /tmp/private peer "$server_key" allowed-ips 10.7.0.0/16 || return
  before=$(on gateway wg show wg7 dump; ip -n gateway link show wg7)
  on gateway env STATE_DIR=/state7 WG_INTERFACE=wg7 WG_PORT=7778 API_PORT=3007 API_SOCKET=/run/seven.sock WG_SUBNET=192.168.7.1/24 \
    TUNNEL=auto vpn-enabler serve >/tmp/refusal 2>&1 && return 1
  grep "somebody else made" /tmp/refusal || return
  expect "wg7" "$(on gateway wg show wg7 dump; ip -n gateway link show wg7)" "$before"
}

stops_when_removed() {
  ip -n gateway link del wg0
  wait "$gateway"
  expect "exit code" $? 1 && gateway=
}

kind_of() { ip -n gateway -d link show "$1" | grep -ow -e wireguard -e tun | sort -u; }

changes_interface() {
  serve && stop -TERM && expect "wg0 after a stop" "$(kind_of wg0)" wireguard || return
  serve WG_INTERFACE=wg9 && expect "wg9" "$(kind_of wg9)" wireguard && expect "wg0" "$(kind_of wg0)" "" && stop -TERM
}
changes_tunnel() {
  serve WG_INTERFACE=wg9 TUNNEL=userspace && expect "wg9" "$(kind_of wg9)" tun && stop -TERM &&
    expect "wg9 after a stop" "$(kind_of wg9)" ""
}

# tunnel_file PRIVATE_KEY ADDRESS PEER_PRIVATE_KEY MORE: a wg-quick file.
tunnel_file() {
  printf '[Interface]\nPrivateKey = %s\nAddress = %s/24\n[Peer]\nPublicKey = %s\n%s\n[Interface]\nListenPort = 4500\n' \
    "$1" "$2" "$(echo "$3" | vpn-enabler pubkey)" "$4"
}
table_of_home() {
  ip -n home rule
  ip -n home route show table all
}

joins_machines() {
  mkdir -p /pair
  north=$(vpn-enabler genkey)
  south=$(vpn-enabler genkey)
  tunnel_file "$north" 10.99.0.1 "$south" "AllowedIPs = 10.99.0.2/32" >/pair/north.conf
  tunnel_file "$south" 10.99.0.2 "$north" "AllowedIPs = 0.0.0.0/0
Endpoint = 203.0.113.2:4500" >/pair/south.conf
  chmod 600 /pair/*.conf
  ip -n gateway addr add 198.51.100.7/32 dev lo
  table_before=$(table_of_home)
  expect "up" "$(on gateway vpn-enabler up /pair/north.conf)" "north is up: kernel, 10.99.0.1/24, MTU 1420" &&
    expect "up" "$(on home vpn-enabler up /pair/south.conf)" "south is up: kernel, 10.99.0.2/24, MTU 1420" &&
    expect "north" "$(kind_of north)" wireguard && within 5 answered 10.99.0.1 && loses_nothing 198.51.100.7
}

is_no_gateways() {
  on gateway env STATE_DIR=/state9 WG_INTERFACE=north WG_PORT=7778 API_PORT=3007 API_SOCKET=/run/nine.sock WG_SUBNET=192.168.7.1/24 \
    TUNNEL=auto vpn-enabler serve >/tmp/refusal 2>&1 && return 1
  grep "somebody else made" /tmp/refusal && answered 10.99.0.1
}

parts_machines() {
  echo "SaveConfig = true" >>/pair/north.conf
  on gateway vpn-enabler down north && on home vpn-enabler down south || return
  grep -q '^Endpoint = 203.0.113.9:4500$' /pair/north.conf && expect "north" "$(kind_of north)" "" &&
    expect "rules and routes" "$(table_of_home)" "$table_before"
}

# ---

step world-is-made make_world
step auto-takes-our-engine-without-it falls_back
step tunnel-kernel-without-it-is-an-error is_required
step wireguard-is-loaded load wireguard
step auto-takes-the-kernel takes_kernel
step client-is-created create_client
step client-connects connect_client
step client-reaches-the-site reaches_site
step stock-wg-shows-the-client is_shown
step disable-acts-within-1-s disable
step enable-acts-within-1-s enable
step clean-restart-loses-nothing clean_restart
step kill-and-start-loses-nothing restart_after_kill
step client-still-reaches-the-site reaches_site
step restart-brings-ipv6 gains_ipv6
step restart-takes-ipv6-away loses_ipv6
step delete-acts-within-1-s delete
step interface-of-somebody-else-is-untouched leaves_strangers_alone
step gateway-ends-when-its-interface-does stops_when_removed
step interface-of-an-earlier-name-goes changes_interface
step interface-of-an-earlier-tunnel-goes changes_tunnel
step up-joins-two-machines joins_machines
step up-makes-no-gateways-interface is_no_gateways
step down-leaves-nothing parts_machines
