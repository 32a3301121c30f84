import JSON
import Network
import Server
import Upstreams

/// How the server that runs here already sees its upstreams.
enum UpstreamStates {
    /// One finding per upstream that is currently not used; none if no Interject server answers, or it does not disclose them.
    static func find(_ settings: ServeSettings, _ loop: EventLoop) async -> [Finding] {
        guard let address = settings.addresses.first else { return [] }
        var request = HTTPCall.Request(target: "/debug/upstreams")
        if let key = settings.operatorKey { request.fields.append(("Authorization", "Bearer \(key)")) }
        let server = ServerURL(listener: address)
        guard case .success(let answer) = await HTTPCall.answer(to: request, from: server, timeout: .seconds(2), on: loop),
            answer.status == 200, let list = (try? JSONValue.parse(answer.body))?["data"]?.array
        else { return [] }
        let ill = list.compactMap(finding)
        return ill.isEmpty && !list.isEmpty ? [.ok("upstreams", "the server at \(address) finds all \(list.count) well")] : ill
    }

    private static func finding(_ upstream: JSONValue) -> Finding? {
        guard let name = upstream["name"]?.string, let state = upstream["state"]?.string else { return nil }
        if state != "closed" {
            let wait = upstream["open_ms"]?.int.map { ", tried again in \(max(1, $0 / 1000)) s" } ?? ""
            return .warn("upstreams", "\(name) is \(state) after failures\(wait): the server's log says which")
        }
        if let rest = upstream["rests_ms"]?.int {
            return .warn("upstreams", "\(name) asked for a pause of \(max(1, rest / 1000)) s more (429 or 503)")
        }
        return nil
    }
}
