import CCurl
import Glibc

/// Outbound HTTP of one event loop: libcurl's multi interface, driven by the loop's readiness and timers. Loop-confined.
///
/// HTTP/1.1, and HTTP/2 over TLS where the server offers it. Connections of completed transfers are reused; that of a cancelled one
/// is closed, in HTTP/2, too. So transfers do not share a connection: libcurl 7.88 sends the RST_STREAM of a removed transfer only
/// with the next byte on its connection, and a cancel must not wait for that. Certificates are verified against the system's
/// authorities, unless the request names others. Redirects are not followed.
///
/// libcurl's callbacks only buffer; data is delivered after libcurl returns, because transfers cannot be started or cancelled
/// within its callbacks.
public final class HTTPClient {
    /// Most idle connections in the pool.
    static let maxIdleConnections = 256

    /// It owns the client, and lives longer. Asked for several times a token.
    public unowned(unsafe) let loop: EventLoop
    private let multi: UnsafeMutableRawPointer?
    private var timer: LoopTimer?
    private var sockets: [Int32: CurlSocket] = [:]
    private var transfers: [ObjectIdentifier: HTTPTransfer] = [:]
    /// Transfers with data to deliver, in order of arrival.
    private var touched: [HTTPTransfer] = []
    /// Swapped with ``touched`` during delivery.
    private var delivering: [HTTPTransfer] = []

    private static let globalInitialization: CURLcode = curl_global_init(Int(CURL_GLOBAL_ALL))

    init(loop: EventLoop) {
        self.loop = loop
        multi = Self.globalInitialization == CURLE_OK ? curl_multi_init() : nil
        guard let multi else { return }
        let context = Unmanaged.passUnretained(self).toOpaque()
        ccurl_multi_set_socket_callback(
            multi,
            { _, descriptor, what, context, _ in
                guard let context else { return 0 }
                Unmanaged<HTTPClient>.fromOpaque(context).takeUnretainedValue().watch(descriptor, what)
                return 0
            }, context)
        ccurl_multi_set_timer_callback(
            multi,
            { _, milliseconds, context in
                guard let context else { return 0 }
                Unmanaged<HTTPClient>.fromOpaque(context).takeUnretainedValue().setTimer(milliseconds)
                return 0
            }, context)
        ccurl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, Self.maxIdleConnections)
        ccurl_multi_set_long(multi, CURLMOPT_PIPELINING, Int(CURLPIPE_NOTHING))
    }

    deinit {
        if let multi { curl_multi_cleanup(multi) }
    }

    /// Transfers in progress.
    public var transferCount: Int { transfers.count }

    /// Starts a transfer and retains it until it ends. A transfer can be started once.
    public func start(_ transfer: HTTPTransfer) {
        guard transfer.isStartable else { return }
        guard let multi, let handle = CurlHandle(for: transfer) else {
            transfer.cancel()
            transfer.ended(.failed(.invalidRequest("libcurl could not be set up")))
            return
        }
        handle.bind(transfer)
        transfers[ObjectIdentifier(transfer)] = transfer
        transfer.started(self, handle)
        let code = curl_multi_add_handle(multi, handle.easy)
        if code != CURLM_OK {
            transfer.complete(.failed(.invalidRequest(String(cString: curl_multi_strerror(code)))))
        }
    }

    /// Removes the transfer from libcurl; if incomplete, its connection is closed within this call.
    func remove(_ transfer: HTTPTransfer, _ handle: CurlHandle) {
        if let multi { curl_multi_remove_handle(multi, handle.easy) }
        transfers[ObjectIdentifier(transfer)] = nil
    }

    /// Ends every transfer when the loop ends.
    func shutDown() {
        for transfer in Array(transfers.values) { transfer.complete(.failed(.loopStopped)) }
        timer?.cancel()
    }

    // MARK: Called by libcurl

    static func openSocket(for transfer: HTTPTransfer, _ target: UnsafeMutablePointer<curl_sockaddr>) -> curl_socket_t {
        let wanted = target.pointee
        let socket = transfer.request.destinations.openSocket(
            family: wanted.family, type: wanted.socktype, protocol: wanted.protocol, ccurl_address(target),
            byteCount: Int(wanted.addrlen))
        guard let socket else {
            transfer.refusedDestination = true
            return CURL_SOCKET_BAD
        }
        if socket < 0, DescriptorLimits.areExhausted(errno) { transfer.lacksDescriptor = true }
        guard socket >= DescriptorLimits.current.outgoing else { return socket }
        transfer.lacksDescriptor = true
        close(socket)
        return CURL_SOCKET_BAD
    }

    static func tookBody(_ transfer: HTTPTransfer, _ bytes: UnsafeRawBufferPointer) -> Int {
        guard let client = transfer.client, transfer.takeBody(bytes) else { return 0 }
        client.touch(transfer)
        return bytes.count
    }

    static func tookHeaderLine(_ transfer: HTTPTransfer, _ line: UnsafeRawBufferPointer) -> Int {
        guard let client = transfer.client, transfer.takeHeaderLine(line) else { return 0 }
        client.touch(transfer)
        return line.count
    }

    private func touch(_ transfer: HTTPTransfer) {
        if transfer.isTouched { return }
        transfer.isTouched = true
        touched.append(transfer)
    }

    private func watch(_ descriptor: Int32, _ what: Int32) {
        if what == CURL_POLL_REMOVE {
            // libcurl closes the socket after this call, and its number may be reused at once.
            if let socket = sockets.removeValue(forKey: descriptor) { loop.deregister(socket) }
            return
        }
        var interest: Readiness = []
        if what == CURL_POLL_IN || what == CURL_POLL_INOUT { interest.insert(.readable) }
        if what == CURL_POLL_OUT || what == CURL_POLL_INOUT { interest.insert(.writable) }
        if let socket = sockets[descriptor] {
            loop.setInterest(interest, of: socket)
            return
        }
        let socket = CurlSocket(client: self, descriptor: descriptor)
        // A socket that cannot be registered makes its transfer silent, and the silence timeout ends it.
        guard (try? loop.register(socket, interest: interest)) != nil else { return }
        sockets[descriptor] = socket
    }

    private func setTimer(_ milliseconds: Int) {
        timer?.cancel()
        timer = nil
        if milliseconds < 0 { return }
        timer = loop.schedule(after: .milliseconds(milliseconds)) { [unowned self] in act(on: CURL_SOCKET_TIMEOUT, 0) }
    }

    // MARK: Called by the loop

    fileprivate func act(on descriptor: Int32, _ events: Int32) {
        guard let multi else { return }
        var running: Int32 = 0
        curl_multi_socket_action(multi, descriptor, events, &running)
        deliver()
        var easy: UnsafeMutableRawPointer?
        var result = CURLE_OK
        while ccurl_next_done(multi, &easy, &result) != 0 {
            guard let easy, let transfer = CurlHandle.transfer(of: easy) else { continue }
            transfer.completed(result)
        }
    }

    /// Delivers buffered data in the next iteration.
    func deliverSoon(_ transfer: HTTPTransfer) {
        touch(transfer)
        loop.schedule(after: .zero) { [weak self] in self?.deliver() }
    }

    private func deliver() {
        // Transfers that receive data meanwhile are served later; both arrays retain their storage.
        swap(&touched, &delivering)
        for transfer in delivering {
            transfer.isTouched = false
            if transfer.isRunning { transfer.deliver() }
        }
        delivering.removeAll(keepingCapacity: true)
    }
}

/// A libcurl socket in the loop. libcurl opens and closes it.
private final class CurlSocket: Channel {
    /// It deregisters its sockets before it ends.
    private unowned(unsafe) let client: HTTPClient

    init(client: HTTPClient, descriptor: Int32) {
        self.client = client
        super.init(loop: client.loop, descriptor: descriptor)
    }

    override func ready(_ readiness: Readiness) {
        var events: Int32 = 0
        // Errors, too: the read or write then reports the error to libcurl.
        if !readiness.isDisjoint(with: [.readable, .peerClosed, .hangup, .failed]) { events |= CURL_CSELECT_IN }
        if readiness.contains(.writable) { events |= CURL_CSELECT_OUT }
        client.act(on: descriptor, events)
    }
}
