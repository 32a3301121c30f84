import CCurl
import HTTP

/// A libcurl easy handle configured for one transfer. Owns the handle and its option lists.
final class CurlHandle {
    let easy: UnsafeMutableRawPointer
    private var fields: UnsafeMutablePointer<curl_slist>?
    /// When the request must be under way; nil where libcurl watches that itself.
    private var connectDeadline: Instant?
    /// libcurl's error message.
    private let errorText = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))

    /// nil: out of memory.
    init?(for transfer: HTTPTransfer) {
        guard let easy = curl_easy_init() else {
            errorText.deallocate()
            return nil
        }
        self.easy = easy
        errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        setRequest(transfer.request)
        setRules(transfer.request)
        ccurl_set_pointer(easy, CURLOPT_PRIVATE, Unmanaged.passUnretained(transfer).toOpaque())
        ccurl_set_pointer(easy, CURLOPT_ERRORBUFFER, errorText)
    }

    deinit {
        curl_easy_cleanup(easy)
        curl_slist_free_all(fields)
        errorText.deallocate()
    }

    var failureText: String { String(cString: errorText) }

    /// Bytes of the request's body sent so far.
    var uploadedByteCount: Int {
        var count: curl_off_t = 0
        ccurl_get_offset(easy, CURLINFO_SIZE_UPLOAD_T, &count)
        return Int(count)
    }

    var wasConnected: Bool {
        var microseconds: curl_off_t = 0
        ccurl_get_offset(easy, CURLINFO_CONNECT_TIME_T, &microseconds)
        return microseconds > 0
    }

    /// Time until the connection must be made, on ``connectDeadline``; nil once it is, and where libcurl watches that.
    func connectTimeLeft(now: Instant) -> Duration? {
        guard let connectDeadline else { return nil }
        // Also of a pooled connection, for which libcurl counts no time of connecting.
        var requestByteCount = 0
        ccurl_get_long(easy, CURLINFO_REQUEST_SIZE, &requestByteCount)
        guard requestByteCount == 0 else {
            self.connectDeadline = nil
            return nil
        }
        return connectDeadline - now
    }

    /// The transfer begins. libcurl keeps a timeout for connecting in its queue long after the connection is made, and each piece of
    /// every body would move it there twice. It needs that timeout where a name may have several addresses, to divide it among
    /// them, and for handshakes. Elsewhere the transfer watches it, beside the silence.
    func limitConnecting(of request: HTTPClientRequest, now: Instant) {
        if request.connectsInOneStep, request.connectTimeout <= Self.longestConnecting {
            connectDeadline = now + request.connectTimeout
        } else {
            ccurl_set_long(easy, CURLOPT_CONNECTTIMEOUT_MS, Self.milliseconds(request.connectTimeout))
        }
    }

    /// libcurl's own limit, where none is set.
    private static let longestConnecting = Duration.seconds(300)

    /// The transfer of a handle.
    static func transfer(of easy: UnsafeMutableRawPointer) -> HTTPTransfer? {
        var pointer: UnsafeMutableRawPointer?
        guard ccurl_get_pointer(easy, &pointer) == CURLE_OK, let pointer else { return nil }
        return Unmanaged<HTTPTransfer>.fromOpaque(pointer).takeUnretainedValue()
    }

    private func setRequest(_ request: HTTPClientRequest) {
        ccurl_set_string(easy, CURLOPT_URL, request.url)
        if request.method == "GET", request.body.isEmpty {
            ccurl_set_long(easy, CURLOPT_HTTPGET, 1)
        } else {
            ccurl_set_long(easy, CURLOPT_POST, 1)
            ccurl_set_offset(easy, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(request.body.count))
            // libcurl copies it, so its size must be set before.
            request.body.withUnsafeBytes { body in
                let start = body.baseAddress ?? UnsafeRawPointer(("" as StaticString).utf8Start)
                ccurl_set_pointer(easy, CURLOPT_COPYPOSTFIELDS, UnsafeMutableRawPointer(mutating: start))
            }
            if request.method != "POST" { ccurl_set_string(easy, CURLOPT_CUSTOMREQUEST, request.method) }
        }
        for field in request.fields { addField("\(field.name): \(field.value)") }
        addField("Accept-Encoding: identity")
        // No value removes the field. A large body must not wait for a "100 Continue" that most upstreams never send.
        addField("Expect:")
        if let fields { ccurl_set_pointer(easy, CURLOPT_HTTPHEADER, fields) }
    }

    private func addField(_ line: String) {
        if let appended = curl_slist_append(fields, line) { fields = appended }
    }

    private func setRules(_ request: HTTPClientRequest) {
        ccurl_set_string(easy, CURLOPT_PROTOCOLS_STR, "http,https")
        ccurl_set_long(easy, CURLOPT_NOSIGNAL, 1)
        ccurl_set_long(easy, CURLOPT_NOPROGRESS, 1)
        ccurl_set_long(easy, CURLOPT_FOLLOWLOCATION, 0)
        ccurl_set_long(easy, CURLOPT_TCP_NODELAY, 1)
        ccurl_set_long(easy, CURLOPT_TCP_KEEPALIVE, 1)
        ccurl_set_long(easy, CURLOPT_SSL_VERIFYPEER, 1)
        ccurl_set_long(easy, CURLOPT_SSL_VERIFYHOST, 2)
        ccurl_set_long(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
        // Otherwise cancelling during name resolution would block the loop until the resolver's thread ends.
        ccurl_set_long(easy, CURLOPT_QUICK_EXIT, 1)
        if let total = request.totalTimeout { ccurl_set_long(easy, CURLOPT_TIMEOUT_MS, Self.milliseconds(total)) }
        ccurl_set_long(
            easy, CURLOPT_HTTP_VERSION, Int(request.isSecure ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1))
        // http_proxy and related variables apply, but never for loopback.
        if !request.mayUseProxy {
            ccurl_set_string(easy, CURLOPT_PROXY, "")
        }
        if request.needsOwnConnection {
            ccurl_set_long(easy, CURLOPT_FRESH_CONNECT, 1)
            ccurl_set_long(easy, CURLOPT_FORBID_REUSE, 1)
        }
        if let path = request.unixSocketPath { ccurl_set_string(easy, CURLOPT_UNIX_SOCKET_PATH, path) }
        if let file = request.authorities {
            ccurl_set_string(easy, CURLOPT_CAINFO, file)
            // Or the system's would be trusted beside it.
            ccurl_set_string(easy, CURLOPT_CAPATH, nil)
        }
        ccurl_set_data_callback(easy, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
            guard let bytes, let context else { return 0 }
            let transfer = Unmanaged<HTTPTransfer>.fromOpaque(context).takeUnretainedValue()
            return HTTPClient.tookBody(transfer, UnsafeRawBufferPointer(start: bytes, count: size * count))
        }
        ccurl_set_data_callback(easy, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
            guard let bytes, let context else { return 0 }
            let transfer = Unmanaged<HTTPTransfer>.fromOpaque(context).takeUnretainedValue()
            return HTTPClient.tookHeaderLine(transfer, UnsafeRawBufferPointer(start: bytes, count: size * count))
        }
    }

    /// Pauses or resumes reading from the connection.
    func pause(_ isPaused: Bool) {
        curl_easy_pause(easy, isPaused ? CURLPAUSE_RECV : CURLPAUSE_CONT)
    }

    /// Closes the connection if the transfer is removed before its end, in HTTP/2, too.
    func forbidReuse() {
        ccurl_set_long(easy, CURLOPT_FORBID_REUSE, 1)
    }

    /// Sets the data callbacks, with the transfer as their context.
    func bind(_ transfer: HTTPTransfer) {
        let context = Unmanaged.passUnretained(transfer).toOpaque()
        ccurl_set_pointer(easy, CURLOPT_WRITEDATA, context)
        ccurl_set_pointer(easy, CURLOPT_HEADERDATA, context)
        ccurl_set_open_socket(
            easy,
            { context, _, target in
                guard let context, let target else { return CURL_SOCKET_BAD }
                return HTTPClient.openSocket(for: Unmanaged<HTTPTransfer>.fromOpaque(context).takeUnretainedValue(), target)
            }, context)
    }

    private static func milliseconds(_ duration: Duration) -> Int {
        max(1, Int(clamping: duration.nanoseconds / 1_000_000))
    }
}
