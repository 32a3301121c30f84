import JSON
import Network
import Server
import Upstreams

/// The state of the upstreams, as seen by a server that is already running.
enum UpstreamStates {
    /// One finding for each upstream that is currently excluded. Empty if no Interject server answers, or if it does not disclose
    /// them.
    static func find(_ settings: ServeSettings, _ loop: EventLoop) async -> [Finding] {
        guard let address = settings.addresses.first else { return [] }
        var request = HTTPCall.Request(target: "/debug/upstreams")
        if let key = settings.operatorKey { request.fields.append(("Authorization", "Bearer \(key)")) }
        let server = ServerURL(listener: address)
        guard case .success(let answer) = await HTTPCall.answer(to: request, from: server, timeout: .seconds(2), on: loop),
            answer.status == 200, let list = (try? JSONValue.parse(answer.body))?["data"]?.array
        else { return [] }
        let ill = list.compactMap(finding)
        return ill.isEmpty && !list.isEmpty
            ? [.ok("upstreams", "the server at \(address) considers all \(list.count) healthy")] : ill
    }

    private static func finding(_ upstream: JSONValue) -> Finding? {
        guard let name = upstream["name"]?.string, let state = upstream["state"]?.string else { return nil }
        if state != "closed" {
            let wait = upstream["open_ms"]?.int.map { ", tried again in \(max(1, $0 / 1000)) s" } ?? ""
            return .warn("upstreams", "\(name) is \(state) after failures\(wait): see the server's log")
        }
        if let rest = upstream["rests_ms"]?.int {
            return .warn("upstreams", "\(name) asked for a pause of another \(max(1, rest / 1000)) s (429 or 503)")
        }
        return nil
    }
}
