import CCurl
import Glibc

/// Outbound HTTP of one event loop: libcurl's multi interface, driven by the loop's readiness and timers. Loop-confined.
///
/// HTTP/1.1, and HTTP/2 over TLS where the server offers it. Connections of completed transfers are used again; that of a
/// cancelled one is closed, in HTTP/2 too. So that this harms no other, transfers do not share a connection: libcurl 7.88 sends
/// the RST_STREAM of a removed transfer only when the next byte comes on its connection, and a stop must not wait for that.
/// Certificates are checked against the system's authorities. Redirects are not followed.
///
/// Inside libcurl bytes are only taken in; they are delivered after it returned, since from its callbacks nothing can be cancelled
/// or started.
public final class HTTPClient {
    /// Idle connections kept, at most.
    static let maxIdleConnections = 256

    public unowned let loop: EventLoop
    private let multi: UnsafeMutableRawPointer?
    private var timer: LoopTimer?
    private var sockets: [Int32: CurlSocket] = [:]
    private var transfers: [ObjectIdentifier: HTTPTransfer] = [:]
    /// Transfers that have something to deliver, in the order of arrival.
    private var touched: [HTTPTransfer] = []
    /// Where ``touched`` goes while it is worked off.
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

    /// Transfers under way.
    public var transferCount: Int { transfers.count }

    /// Starts a transfer, which is kept alive until it ends. A transfer is started once.
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

    /// Takes the transfer out of libcurl; the connection of an incomplete one is closed within this call.
    func remove(_ transfer: HTTPTransfer, _ handle: CurlHandle) {
        if let multi { curl_multi_remove_handle(multi, handle.easy) }
        transfers[ObjectIdentifier(transfer)] = nil
    }

    /// The loop ends: so does every transfer.
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
            // libcurl closes the socket after this call: its number may come back at once as another one.
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
        // A socket that cannot be watched makes its transfer silent, and the silence timeout ends it.
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

    /// Delivers what there is, in the next turn.
    func deliverSoon(_ transfer: HTTPTransfer) {
        touch(transfer)
        loop.schedule(after: .zero) { [weak self] in self?.deliver() }
    }

    private func deliver() {
        // Those that get something meanwhile have their turn later; each array keeps its storage.
        swap(&touched, &delivering)
        for transfer in delivering {
            transfer.isTouched = false
            if transfer.isRunning { transfer.deliver() }
        }
        delivering.removeAll(keepingCapacity: true)
    }
}

/// A socket of libcurl's in the loop. libcurl opens and closes it.
private final class CurlSocket: Channel {
    private unowned let client: HTTPClient

    init(client: HTTPClient, descriptor: Int32) {
        self.client = client
        super.init(loop: client.loop, descriptor: descriptor)
    }

    override func ready(_ readiness: Readiness) {
        var events: Int32 = 0
        // Errors too: the read or write then tells libcurl which.
        if !readiness.isDisjoint(with: [.readable, .peerClosed, .hangup, .failed]) { events |= CURL_CSELECT_IN }
        if readiness.contains(.writable) { events |= CURL_CSELECT_OUT }
        client.act(on: descriptor, events)
    }
}
