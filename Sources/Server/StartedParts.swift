/// What a start has begun so far: stopped again when the start fails, the newest first.
struct StartedParts {
    private var stops: [@Sendable () async -> Void] = []

    /// - Parameter stop: of a part that has just been started.
    mutating func add(_ stop: @escaping @Sendable () async -> Void) { stops.append(stop) }

    func stop() async { for stop in stops.reversed() { await stop() } }
}
