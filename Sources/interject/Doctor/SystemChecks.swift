import CCurl
import Glibc
import Network

/// Checks that need no network.
enum SystemChecks {
    /// Every connection needs a descriptor; below this number, the default limits on connections cannot be reached.
    static let fewDescriptors: UInt = 4096

    static func program() -> Finding {
        var names = utsname()
        uname(&names)
        let kernel = text(&names.release)
        let machine = text(&names.machine)
        let processors = EventLoopGroup.processorCount
        let system = distribution ?? "Linux"
        return .ok(
            "program", "interject \(interjectVersion) on \(system), kernel \(kernel), \(machine), \(processors) processors")
    }

    static func descriptors() -> Finding {
        let limit = DescriptorLimit.current
        if limit.hard < fewDescriptors {
            return .warn(
                "files", "at most \(limit.hard) open files allow few connections; raise the limit (ulimit -Hn, LimitNOFILE=)")
        }
        return .ok(
            "files", "up to \(limit.hard) open files and connections (the server raises the soft limit of \(limit.soft) itself)")
    }

    static func libcurl() -> Finding {
        guard let info = curl_version_info(CURLVERSION_FIRST)?.pointee, let version = info.version else {
            return .fail("libcurl", "does not report its version: install libcurl4")
        }
        let features = UInt32(bitPattern: info.features)
        let has = { (bit: Int32) in features & UInt32(bitPattern: bit) != 0 }
        let name = "libcurl \(String(cString: version))"
        guard has(CURL_VERSION_SSL) else {
            return .fail(
                "libcurl", "\(name) has no TLS: https upstreams cannot be reached; install the distribution's libcurl4")
        }
        let tls = info.ssl_version.map { String(cString: $0) } ?? "TLS"
        guard has(CURL_VERSION_HTTP2) else {
            return .warn("libcurl", "\(name), \(tls), without HTTP/2: upstreams are called by HTTP/1.1")
        }
        return .ok("libcurl", "\(name), \(tls), HTTP/2")
    }

    private static var distribution: String? {
        guard let text = try? Files.read("/etc/os-release") else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix("PRETTY_NAME=") {
            return String(line.dropFirst("PRETTY_NAME=".count).filter { $0 != "\"" })
        }
        return nil
    }

    /// Converts a C array of characters to a string.
    private static func text<Characters>(_ characters: inout Characters) -> String {
        withUnsafeBytes(of: &characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}
