import Glibc
import HTTP
import JSON
import Network
import Upstreams

/// Whether the server could listen where it is told to.
enum PlaceCheck {
    static func find(_ address: SocketAddress, _ group: EventLoopGroup) async -> Finding {
        let subject = if case .tcp = address { "port" } else { "socket" }
        do {
            let listeners = try await ListenerSet(address, group: group) { _, descriptor, _ in close(descriptor) }
            listeners.stop()
            return .ok(subject, "\(address) is free")
        } catch let error as SystemCallError where error.code == EADDRINUSE {
            return await whoAnswers(address, group.loops[0], subject)
        } catch let error as SystemCallError where error.code == EACCES {
            return .fail(subject, "\(address): permission denied: take a port above 1023, or a folder that is yours")
        } catch {
            return .fail(subject, "\(address): \(error)")
        }
    }

    /// Whether the ready file could be written.
    static func find(readyFile path: String) -> Finding {
        do throws(FileError) {
            try Files.checkWritable(path)
            return .ok("ready-file", "\(path) can be written")
        } catch {
            return .fail("ready-file", "--ready-file: \(path): \(error)")
        }
    }

    /// A healthy Interject server at this address is not a problem.
    private static func whoAnswers(_ address: SocketAddress, _ loop: EventLoop, _ subject: String) async -> Finding {
        let server = ServerURL(listener: address)
        let request = HTTPCall.Request(target: "/healthz")
        guard case .success(let answer) = await HTTPCall.answer(to: request, from: server, timeout: .seconds(2), on: loop) else {
            return .fail(
                subject, "\(address) is in use: what listens there speaks no HTTP; stop it, or give another --port")
        }
        let isOurs = answer.status == 200 && (try? JSONValue.parse(answer.body))?["status"]?.string != nil
        return isOurs
            ? .ok(
                subject,
                "\(address): an Interject server answers there already and is well; use it, or give another --port for a second one"
            )
            : .fail(subject, "\(address) is in use: some other server answers there; stop it, or give another --port")
    }
}
