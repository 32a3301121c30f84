import Glibc
import HTTP
import JSON
import Network
import Upstreams

/// Checks whether the server can listen on an address.
enum ListenerCheck {
    static func find(_ address: SocketAddress, _ group: EventLoopGroup) async -> Finding {
        let subject = if case .tcp = address { "port" } else { "socket" }
        do {
            let listeners = try await ListenerSet(address, group: group) { _, descriptor, _ in close(descriptor) }
            listeners.stop()
            return .ok(subject, "\(address) is free")
        } catch let error as SystemCallError where error.code == EADDRINUSE {
            return await identify(address, group.loops[0], subject)
        } catch let error as SystemCallError where error.code == EACCES {
            return .fail(subject, "\(address): permission denied: use a port above 1023, or a directory that you can write to")
        } catch {
            return .fail(subject, "\(address): \(error)")
        }
    }

    /// Checks whether the ready file can be written.
    static func find(readyFile path: String) -> Finding {
        do throws(FileError) {
            try Files.checkWritable(path)
            return .ok("ready-file", "\(path) can be written")
        } catch {
            return .fail("ready-file", "--ready-file: \(path): \(error)")
        }
    }

    /// Identifies the server at an address. A healthy Interject server is not a problem.
    private static func identify(_ address: SocketAddress, _ loop: EventLoop, _ subject: String) async -> Finding {
        let server = ServerURL(listener: address)
        let request = HTTPCall.Request(target: "/healthz")
        guard case .success(let answer) = await HTTPCall.answer(to: request, from: server, timeout: .seconds(2), on: loop) else {
            return .fail(
                subject, "\(address) is in use by a program that does not speak HTTP; stop it, or give another --port")
        }
        let isOurs = answer.status == 200 && (try? JSONValue.parse(answer.body))?["status"]?.string != nil
        return isOurs
            ? .ok(
                subject,
                "\(address): an Interject server is already running there and is healthy; use it, or give another --port for a second one"
            )
            : .fail(subject, "\(address) is in use by another server; stop it, or give another --port")
    }
}
