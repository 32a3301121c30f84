import Logging
import LoopbackServer
import Network
import Testing

/// A request that may only go to the public Internet reaches nothing on this machine, however it is asked.
@Suite struct DestinationPolicyTests {
    private let group: EventLoopGroup

    init() throws {
        group = try EventLoopGroup(count: 1, logger: Logger(label: "test"))
    }

    private func request(_ url: String, _ destinations: DestinationPolicy) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: url)
        request.destinations = destinations
        return request
    }

    /// The last two are 127.0.0.1, in forms that only the resolver understands.
    @Test(arguments: ["127.0.0.1", "localhost", "2130706433", "0x7f.1"])
    func noSocketIsOpenedToAnotherAddress(_ host: String) async throws {
        let server = LoopbackServer { peer in
            _ = peer.readRequest()
            peer.respond("secret")
        }
        defer {
            server.stop()
            group.shutDown()
        }
        let url = "http://\(host):\(server.port)/"
        let refused = await group.loops[0].begin(request(url, .publicInternet))
        #expect(await refused.waitForEnd() == .failed(.destinationNotAllowed))
        #expect(server.connectionCount == 0 && refused.now.body.isEmpty)
    }

    /// An idle connection would lead there without any check.
    @Test func aConnectionOfAnotherRequestIsNotUsed() async throws {
        let server = LoopbackServer { peer in
            while peer.readRequest() != nil { peer.respond("hello") }
        }
        defer {
            server.stop()
            group.shutDown()
        }
        let open = await group.loops[0].begin(request(server.url, .anywhere))
        #expect(await open.waitForEnd() == .finished(status: 200))
        let refused = await group.loops[0].begin(request(server.url, .publicInternet))
        #expect(await refused.waitForEnd() == .failed(.destinationNotAllowed))
    }
}
