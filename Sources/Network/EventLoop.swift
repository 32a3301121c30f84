import Bytes
import CLinux
import Glibc
public import Logging
import WebSocket

/// One thread around one epoll: readiness, timers, a mailbox, and the executor of the actors and tasks on this loop.
///
/// *Loop-confined* objects (``Channel`` and its subclasses, timers, and everything built on them) are only used on this thread, by
/// plain synchronous calls. Other threads reach them through ``execute(_:)``, or by tasks that prefer this executor.
///
/// An iteration of the loop: wait, handle ready descriptors, run due timers, run the mailbox, and flush, so that all output written
/// during the iteration leaves in one system call per connection.
public final class EventLoop: @unchecked Sendable {
    /// Size of the receive buffer that all connections of a loop share, in bytes.
    public static let receiveBufferByteCount = 256 * 1024

    /// Most events taken from the kernel in one iteration.
    static let eventsPerTurn = 512

    /// Index of the loop in its group.
    public let index: Int
    public let logger: Logger

    let mailbox = Mailbox()
    private let epoll: Int32
    private let wakeup: Int32
    private var channels = ChannelTable()
    private var timers = TimerQueue()
    private var flushes = FlushQueue()
    private var handshakes = HandshakeQueue()
    private var running = true
    /// The time source of the loop's timers.
    package let clock: LoopClock
    private var times: IterationTimes
    /// Connections whose peers do not read their output. Loop only.
    private(set) var blockedConnections: [ObjectIdentifier: Connection] = [:]
    /// Bytes of partial requests and messages, and of bodies whose requests are not answered yet. Loop only.
    public internal(set) var heldInputBytes = 0
    /// Number of refused connections that linger until the peer has read the refusal. Loop only.
    var refusedCount = 0
    /// Statistics of this loop. Loop only. In memory of its own, so that an increment needs no exclusivity check.
    public let counters: UnsafeMutablePointer<LoopCounters> = {
        let counters = UnsafeMutablePointer<LoopCounters>.allocate(capacity: 1)
        counters.initialize(to: LoopCounters())
        return counters
    }()

    /// State shared by the WebSocket receivers of this loop. Loop only.
    let receiverScratch = ReceiverScratch()
    /// Shared by all connections of the loop; valid within one receive call only.
    let receiveBuffer = UnsafeMutableRawBufferPointer.allocate(byteCount: receiveBufferByteCount, alignment: 64)
    /// Loop only.
    var spareOutput = SpareOutput()
    /// The text of HTTP's Date field, and the second that it describes.
    var dateCache = (seconds: 0, text: "")
    /// Decompression budget of all connections in this iteration.
    var inflation = InflationBudget()
    private var madeHTTPClient: HTTPClient?
    /// The loop's client for outbound HTTP, created on first use. Loop only.
    public var httpClient: HTTPClient {
        if let madeHTTPClient { return madeHTTPClient }
        let client = HTTPClient(loop: self)
        madeHTTPClient = client
        return client
    }
    /// The clock's reading at the start of this iteration. Loop only.
    public var now: Instant { times.began }
    /// Seconds since 1970.
    public var unixTime: Int { clock.unixTime }

    /// Creates a loop without a thread: ``run()`` makes the calling thread the loop's, and ``turnOnce()`` borrows it for one
    /// iteration.
    /// - Throws: ``SystemCallError`` if the kernel provides no epoll or eventfd.
    public init(index: Int, clock: LoopClock = .system, logger: Logger) throws(SystemCallError) {
        self.index = index
        self.clock = clock
        self.logger = logger
        times = IterationTimes(now: clock.now)
        epoll = try systemCall("epoll_create1") { epoll_create1(Int32(EPOLL_CLOEXEC)) }
        wakeup = try systemCall("eventfd") { eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK)) }
        var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(u64: .max))
        try systemCall("epoll_ctl") { epoll_ctl(epoll, EPOLL_CTL_ADD, wakeup, &event) }
    }

    deinit {
        close(epoll)
        close(wakeup)
        receiveBuffer.deallocate()
        counters.deinitialize(count: 1)
        counters.deallocate()
    }

    // MARK: The current loop

    /// The loop whose thread is calling.
    public static var current: EventLoop? {
        clinux_get_current_loop().map { Unmanaged<EventLoop>.fromOpaque($0).takeUnretainedValue() }
    }

    /// Whether the caller is on this loop's thread.
    public var isCurrent: Bool {
        clinux_get_current_loop() == Unmanaged.passUnretained(self).toOpaque()
    }

    // MARK: Running

    /// Runs iterations until ``stop()`` on the calling thread, which becomes this loop's.
    func run() {
        clinux_set_current_loop(Unmanaged.passUnretained(self).toOpaque())
        let events = UnsafeMutableBufferPointer<epoll_event>.allocate(capacity: Self.eventsPerTurn)
        defer { events.deallocate() }
        while running { iterate(events, waitMilliseconds: waitMilliseconds(times.ended)) }
        tearDown()
        clinux_set_current_loop(nil)
    }

    /// Runs one iteration: ready descriptors, due timers, the mailbox, then the flush.
    func iterate(_ events: UnsafeMutableBufferPointer<epoll_event>, waitMilliseconds: Int32) {
        let count = epoll_wait(epoll, events.baseAddress, Int32(events.count), waitMilliseconds)
        times.begin(clock.now)
        for index in 0..<max(0, Int(count)) {
            dispatch(events[index])
        }
        while let due = timers.popDue(now) {
            switch due {
            case .timer(let timer): timer.fire()
            case .connection(let connection): connection.timerIsDue()
            }
        }
        mailbox.drain(self)
        flush()
        if flushes.hasActions { for action in flushes.takeActions() { action() } }
        if !handshakes.isEmpty { stepHandshakes() }
        times.end(clock.now, &counters.pointee)
    }

    /// Releases everything that lives on the loop, while the calling thread is still the loop's.
    func tearDown() {
        madeHTTPClient?.shutDown()
        for channel in channels.registered { channel.loopStopped() }
        mailbox.drain(self)
        // First, while the loop still works: libcurl removes its sockets from the loop before closing them.
        madeHTTPClient = nil
        // Each of these may retain a channel, and a channel retains the loop.
        timers = TimerQueue()
        flushes = FlushQueue()
        handshakes = HandshakeQueue()
        blockedConnections = [:]
        channels = ChannelTable()
    }

    private func waitMilliseconds(_ now: Instant) -> Int32 {
        if !flushes.isEmpty || mailbox.hasWork || !handshakes.isEmpty { return 0 }
        guard let deadline = timers.nextDeadline else { return -1 }
        let left = deadline - now
        // Round up: waking a fraction of a millisecond early would spin until the deadline.
        return left <= .zero ? 0 : Int32(clamping: (left.nanoseconds + 999_999) / 1_000_000)
    }

    private func dispatch(_ event: epoll_event) {
        let token = event.data.u64
        if token == .max {
            var count: UInt64 = 0
            _ = read(wakeup, &count, 8)
            return
        }
        // An earlier event of this batch may have removed the channel of this one.
        guard let channel = channels[token] else { return }
        channel.ready(Readiness(rawValue: event.events))
    }

    private func flush() {
        if flushes.isEmpty { return }
        // One round only: a connection whose output is refilled as fast as it drains continues in the next iteration.
        let flushing = flushes.take()
        for connection in flushing {
            connection.flushScheduled = false
            connection.flush()
        }
        flushes.giveBack(flushing)
    }

    /// Runs `action` once the output of this iteration has been flushed. Loop only.
    public func afterFlush(_ action: @escaping () -> Void) { flushes.append(action: action) }

    /// Ends the loop after this iteration. Thread-safe.
    public func stop() {
        execute { self.running = false }
    }

    // MARK: Mailbox

    /// Runs `work` on this loop: in this iteration when called on it, otherwise after its next wake-up. Thread-safe.
    public func execute(_ work: @escaping @Sendable () -> Void) {
        if mailbox.post(.work(work)) { wake() }
    }

    func wake() {
        guard !isCurrent else { return }
        var one: UInt64 = 1
        _ = write(wakeup, &one, 8)
    }

    // MARK: Channels (loop only)

    func register(_ channel: Channel, interest: Readiness) throws(SystemCallError) {
        let token = channels.insert(channel)
        var event = epoll_event(events: interest.rawValue, data: epoll_data_t(u64: token))
        do {
            try systemCall("epoll_ctl") { epoll_ctl(epoll, EPOLL_CTL_ADD, channel.descriptor, &event) }
        } catch {
            channels.remove(channel)
            throw error
        }
    }

    func setInterest(_ interest: Readiness, of channel: Channel) {
        guard let token = channels.token(of: channel) else { return }
        var event = epoll_event(events: interest.rawValue, data: epoll_data_t(u64: token))
        epoll_ctl(epoll, EPOLL_CTL_MOD, channel.descriptor, &event)
    }

    /// Must be called before the descriptor is closed, since its number may be reused immediately.
    func deregister(_ channel: Channel) {
        guard channels.token(of: channel) != nil else { return }
        epoll_ctl(epoll, EPOLL_CTL_DEL, channel.descriptor, nil)
        channels.remove(channel)
    }

    /// Passes a connection's slot and descriptor on to another one, without a system call.
    func replace(_ connection: Connection, by successor: Connection) {
        guard channels.replace(connection, by: successor) else { return }
        if blockedConnections.removeValue(forKey: ObjectIdentifier(connection)) != nil {
            blockedConnections[ObjectIdentifier(successor)] = successor
        }
    }

    func queueHandshake(_ connection: Connection) { handshakes.append(connection) }

    /// Runs after the flush, so that established connections take precedence.
    private func stepHandshakes() {
        for _ in 0..<HandshakeQueue.stepsPerTurn {
            guard let connection = handshakes.next() else { return }
            connection.stepHandshake()
        }
    }

    func scheduleFlush(_ connection: Connection) { flushes.append(connection) }

    func outputIsBlocked(_ isBlocked: Bool, of connection: Connection) {
        blockedConnections[ObjectIdentifier(connection)] = isBlocked ? connection : nil
        if isBlocked { counters.pointee.stalls += 1 }
    }

    func forEachChannel(_ body: (Channel) -> Void) {
        // A copy: the body may close channels.
        for channel in channels.registered where channel.descriptor >= 0 { body(channel) }
    }

    // MARK: Timers (loop only)

    func setTimer(of connection: Connection, at deadline: Instant) { timers.set(connection, at: deadline) }
    func cancelTimer(of connection: Connection) { timers.remove(connection) }
    func timerDeadline(of connection: Connection) -> Instant? { timers.deadline(of: connection) }

    /// Runs `action` on this loop once `delay` has passed. Loop only.
    @discardableResult
    public func schedule(after delay: Duration, _ action: @escaping () -> Void) -> LoopTimer {
        let timer = LoopTimer(deadline: clock.now + delay, action: action)
        timers.insert(timer)
        return timer
    }
}
