/// The parts that have been started so far; if the start fails, they are stopped again, newest first.
struct StartedParts {
    private var stops: [@Sendable () async -> Void] = []

    /// - Parameter stop: stops a part that has just been started.
    mutating func add(_ stop: @escaping @Sendable () async -> Void) { stops.append(stop) }

    func stop() async { for stop in stops.reversed() { await stop() } }
}
