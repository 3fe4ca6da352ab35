// Package p2p carries frames between the members of a council: signed, in
// order, from someone who is a member, or not at all.
//
// A Frame is what one node says to others. It is signed by the sender's node
// key over everything in it and over the hash of the roster, so that a frame can
// be shown to others later and convicts its sender (VerifyFrame). It travels on
// one of three channels, each a stream of its own: Session (protocol rounds),
// Record (feeds: what members said and did), Sync (catching up).
//
// Transport is the door. Two rooms lie behind it and behave alike; one suite of
// tests runs against both:
//
//   - Host is the real one: libp2p over TCP and QUIC. Only peers of the roster
//     get a connection, in either direction. There is no discovery, no relay, no
//     DHT: seven nodes that know each other need none.
//   - Network is the one in memory, for tests and demonstrations, with faults on
//     request: drop, delay, duplicate, reorder, corrupt, partition, kill.
//
// What a Transport promises: Frame.From is the member at the other end and its
// signature was checked; frames from one member on one channel arrive in the
// order they were sent; nothing arrives twice unless a connection broke in
// between; a slow reader slows its senders and loses nothing. What it does not
// promise: that a frame sent arrives. Frames on their way when a connection
// breaks are gone, and PeerDown then PeerUp say so: whoever needs an answer
// sends again after PeerUp. Sending never waits for the network; a full queue is
// an error at once.
//
// When the roster changes, a Host gives its sockets and connections to the Host of the
// next one (Next), which greets on them anew: to others that is a node that was started
// anew, only sooner.
//
// Events and Frames are separate channels, so a frame may be read before the
// PeerUp of its sender is; an answer can be sent all the same.
//
// On the wire of /millicent/{session,record,sync}/1 each frame is four bytes of
// length, big-endian, and the frame's canonical RLP. A fourth protocol,
// /millicent/pulse/1, greets and then beats: the greeting carries the hash of the
// council's first roster and a number drawn at start, so that members of different councils
// learn of it by name and a restarted node is known at once; the beat finds the
// death that no kernel reports. In place of the beat a node can say farewell: it goes on
// under the next roster, and is to be greeted anew. TCP is dialed first: the kernel of a killed
// process closes its connections at once, where QUIC has only silence to go by.
//
// What a node speaks is told by libp2p's identify; one that lacks any of the four
// protocols is refused, and the report lists both sides' versions.
//
// Read it in this order: frame.go (what is said), transport.go and event.go
// (the door), host.go, line.go (what stays from one roster to the next), circle.go and
// link.go (who is let in, and one goroutine per member that keeps it reached),
// greet.go (who is at the other end, and whether it lives), inbound.go (what
// comes in), network.go (the one in memory). Bounds are in limits.go.
package p2p
