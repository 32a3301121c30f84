import Logging
import LoopbackServer
import Network
import Testing

@testable import Upstreams

@Suite struct UpstreamProbeTests {
    private let group: EventLoopGroup

    init() throws { group = try EventLoopGroup(count: 1, logger: Logger(label: "test")) }

    private static func models(_ owner: String) -> String {
        #"{"object":"list","data":[{"id":"a","owned_by":"\#(owner)"},{"id":"b"}]}"#
    }

    @Test func anUpstreamThatAnswersTellsItsModels() async throws {
        let server = UpstreamServer { peer, _ in peer.respond(200, Self.models("x")) }
        let report = await UpstreamProbe.check(UpstreamConfiguration(baseURL: server.url, key: "k"), on: group.loops[0])
        #expect(report.isUsable && report.isReachable && report.models == ["a", "b"] && report.latency > .zero)
        #expect(server.requests[0].head.contains("GET /v1/models ") && server.requests[0].head.contains("Bearer k"))
        server.stop()
        group.shutDown()
    }

    @Test(arguments: [(401, "key"), (404, "URL"), (500, "500"), (200, "URL")])
    func whatIsWrongIsSaid(_ status: Int, _ words: String) async throws {
        let server = UpstreamServer { peer, _ in peer.respond(status, "{}") }
        let report = await UpstreamProbe.check(UpstreamConfiguration(baseURL: server.url, key: "k"), on: group.loops[0])
        #expect(!report.isUsable && report.isReachable && report.error?.contains(words) == true)
        server.stop()
        group.shutDown()
    }

    @Test func localUpstreamsAreFoundInTheirOrderAndOursIsNone() async throws {
        let servers = ["x", "interject-rehearsal", "y"].map { owner in
            UpstreamServer { peer, _ in peer.respond(200, Self.models(owner)) }
        }
        let mute = UpstreamServer { peer, _ in peer.waitForClose() }
        let gone = UpstreamServer { _, _ in }
        gone.stop()
        let places = [
            (name: "mute", port: mute.port), (name: "first", port: servers[0].port), (name: "ours", port: servers[1].port),
            (name: "gone", port: gone.port), (name: "last", port: servers[2].port),
        ]
        let found = await UpstreamProbe.find(places, on: group.loops[0])
        #expect(found.map(\.name) == ["first", "last"] && found[0].models == ["a", "b"])
        #expect(found[0].configuration.baseURL == "http://127.0.0.1:\(servers[0].port)/v1")
        for server in servers + [mute] { server.stop() }
        group.shutDown()
    }
}
