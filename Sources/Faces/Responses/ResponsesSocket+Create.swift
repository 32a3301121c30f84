import API
import Access
import HTTP
import Hosting
import JSON
import Network
import ResponsesWire
import SessionHosting
import Sessions

/// `response.create` and `response.steer`.
extension ResponsesSocket {
    /// - Parameter parsed: the command, or the error in it.
    func create(_ body: JSONObject, _ parsed: Result<CreateCommand, RequestError>) throws(APIError) {
        let lane = try lane(Self.streamID(body))
        let command = try checked(try parsed.get())
        // Nothing runs between the end of one response and the start of the next, but waiting commands come first.
        if !lane.isAtRest, !isInterjection(command.request) { try wait(command, in: lane) } else { try start(command, in: lane) }
    }

    private func wait(_ command: CreateCommand, in lane: Lane) throws(APIError) {
        let waiting = lanes.values.reduce(0) { $0 + $1.waitingByteCount }
        guard waiting == 0 || waiting + command.byteCount <= Limits.maxWaitingBytes else {
            throw APIError(
                status: .tooManyRequests,
                message: "Commands of \(waiting) bytes wait on this connection already. Wait for one to begin.",
                type: "rate_limit_error", code: "websocket_stream_limit_reached")
        }
        try lane.wait(command)
        retain(byteCount: waiting + command.byteCount)
    }

    /// Whether a request does not wait for its lane: it specifies a mode other than `queue`, and what to interject into.
    private func isInterjection(_ request: ResponsesRequest) -> Bool {
        guard let mode = request.extensions.mode, mode != .queue else { return false }
        return request.previousResponseID != nil || request.extensions.sessionID != nil
    }

    /// Starts the first waiting command of a lane that can be started, if the lane is free.
    func startWaiting(in lane: Lane) {
        while !isClosing, let command = lane.nextCommand() {
            retain(byteCount: lanes.values.reduce(0) { $0 + $1.waitingByteCount })
            do throws(APIError) {
                try start(command, in: lane)
            } catch {
                fail(error, for: command.body)
            }
        }
    }

    private func start(_ command: CreateCommand, in lane: Lane) throws(APIError) {
        let body = command.body
        var request = command.request
        let clientEventID = try checked(try body.optionalString("client_event_id"))
        let responseID = Identifier.make("resp_")
        // A session that is not to be stored lives as long as this connection: later commands may continue from it.
        let keepsSession = !request.isStored
        request.isStored = true
        let isNamed = request.extensions.sessionID != nil
        try admit(responseID, request.items, request.parameters)
        var submit = request.submit(
            responseID, policy: request.extensions.policy ?? .cancel, isStored: true, isDurable: !keepsSession)
        submit.clientEventID = clientEventID
        let reader = LaneReader(
            socket: self, lane: lane, responseID: responseID, cutForm: request.extensions.cutForm ?? cutForm)
        lane.begin(reader)
        encode(submit, isLarge: command.request.isLarge) { [self, request] command in
            self.submit(command, of: request, isNamed: isNamed, keepsSession: keepsSession, reader, body)
        }
    }

    /// Encodes the items of a large command off the loop if it has waited without their encoding. Its lane stays busy meanwhile.
    private func encode(
        _ command: SessionCommand.Submit, isLarge: Bool, then: @escaping (SessionCommand.Submit) -> Void
    ) {
        guard command.new.encoded == nil, isLarge else { return then(command) }
        let items = command.new.items
        runOffLoop {
            EncodedItems(items)
        } then: { encoded in
            var command = command
            command.new.encoded = encoded
            then(command)
        }
    }

    private func submit(
        _ command: SessionCommand.Submit, of request: ResponsesRequest, isNamed: Bool, keepsSession: Bool, _ reader: LaneReader,
        _ body: JSONObject
    ) {
        let responseID = reader.responseID
        if hasEnded { return services.metering.abandon(responseID, now: loop.now) }
        let fail = { [self] (error: APIError) in
            services.metering.abandon(responseID, now: loop.now)
            self.fail(error, for: body)
            reader.finish()
        }
        let found = delayingEnd { [self] (result: Result<SessionReference, APIError>) in
            if hasEnded {
                services.metering.abandon(responseID, now: loop.now)
                return
            }
            switch result {
            case .failure(let error): fail(error)
            case .success(let session):
                let refuse = { (error: SessionError) in fail(APIError(error)) }
                perform(.submit(command), on: session, for: body, reader: reader, orElse: refuse) {
                    [self] (outcome) throws(SessionError) in
                    let accepted = try outcome.accepted()
                    logResponse(accepted.responseID, sessionID: accepted.sessionID)
                    // A queued input is acknowledged when its response begins.
                    if accepted.mode != .queue {
                        // `response.created` follows the input.
                        delayEnd(untilSent: accepted.position.sequence + 1, of: accepted.sessionID, to: reader)
                    }
                    guard keepsSession, !isNamed else { return }
                    // A branch lives on the loop of the session that it continues.
                    if !hasEnded { return own(accepted.sessionID, on: session.loop) }
                    EphemeralSessions.release(accepted.sessionID, on: session.loop, services.sessions)
                }
            }
        }
        ResponsesFace.findSession(
            for: request, owner: owner, loop: loop, services: services, isDurable: !keepsSession, then: found)
    }

    /// Delays the end of the connection until the acknowledgement of a command is sent, through the lane or the join.
    private func delayEnd(untilSent sequence: Int, of sessionID: String, to reader: LaneReader) {
        reader.acknowledgements.delayEnd(untilSent: sequence)
        joined[sessionID]?.acknowledgements.delayEnd(untilSent: sequence)
    }

    /// Starts the commands that waited in a lane when the connection ended, if their disconnect policies let them outlive it: each
    /// after the one before it was accepted or refused.
    func startUnheard(_ commands: ArraySlice<CreateCommand>) {
        guard let command = commands.first else { return }
        startUnheard(command) { [self] in startUnheard(commands.dropFirst()) }
    }

    /// - Parameter then: called in a later iteration.
    private func startUnheard(_ command: CreateCommand, then: @escaping () -> Void) {
        let next = { [loop] in _ = loop.schedule(after: .zero, then) }
        let request = command.request
        let policy = request.extensions.policy ?? .cancel
        guard policy != .cancel, request.isStored, !services.lifecycle.isDraining, services.authentication.stillKnows(caller),
            (try? checkCapacity()) != nil
        else { return next() }
        let (services, loop) = (services, loop)
        let responseID = Identifier.make("resp_")
        guard (try? admit(responseID, request.items, request.parameters)) != nil else { return next() }
        var submit = request.submit(responseID, policy: policy, isStored: true, isDurable: true)
        submit.clientEventID = command.body["client_event_id"]?.string
        let abandon = {
            services.metering.abandon(responseID, now: loop.now)
            next()
        }
        encode(submit, isLarge: request.isLarge) { [owner] submit in
            ResponsesFace.findSession(for: request, owner: owner, loop: loop, services: services) { result in
                guard case .success(let session) = result else { return abandon() }
                // A listener that leaves at once, so that the disconnect policy takes effect.
                let reader = EventReader(loop: loop, catchUp: .losslessOrClose)
                session.perform(.submit(submit), reader: reader, from: loop) { outcome in
                    if outcome.isRefusal { return abandon() }
                    reader.stop()
                    next()
                }
            }
        }
    }

    func lane(_ streamID: String?) throws(APIError) -> Lane {
        if let lane = lanes[streamID] { return lane }
        if lanes.count >= Limits.maxLanes {
            // Lanes at rest are only names; forget them before refusing a new one.
            for (name, lane) in lanes where lane.isAtRest { lanes[name] = nil }
        }
        guard lanes.count < Limits.maxLanes else {
            throw APIError(
                status: .tooManyRequests, message: "\(Limits.maxLanes) lanes of this connection are busy.",
                type: "rate_limit_error", code: "websocket_stream_limit_reached")
        }
        let lane = Lane(streamID: streamID)
        lanes[streamID] = lane
        return lane
    }

    // MARK: Steering

    /// - Parameter items: of the command, or the error in them.
    func steer(_ body: JSONObject, _ items: Result<[Item], RequestError>) throws(APIError) {
        let steer = Input.Steer(responseID: try checked(try body.optionalString("previous_response_id")) ?? "")
        let new: [Item]
        do throws(RequestError) {
            new = try items.get()
        } catch {
            steerFailed(steer, body, code: "invalid_input", error.message)
            return
        }
        let streamID = try Self.streamID(body)
        find(response: steer.responseID) { [self] result in
            if hasEnded { return }
            do throws(APIError) {
                guard let reference = try result.get() else {
                    steerFailed(steer, body, code: "response_not_found", "Response '\(steer.responseID)' is not here.")
                    return
                }
                try self.steer(steer, in: reference, body, new, streamID)
            } catch {
                fail(error, for: body)
            }
        }
    }

    private func steer(
        _ steer: Input.Steer, in reference: SessionReference, _ body: JSONObject, _ items: [Item], _ streamID: String?
    ) throws(APIError) {
        // The lane of the steered response gets the successor, too. A response of another connection is followed from here on. If
        // no lane is left for it, the command fails before anything counts against the key's limits.
        let followed = lanes.values.flatMap(\.readers).first { $0.open.contains(steer.responseID) }
        let lane = followed == nil ? try lane(streamID) : nil
        let successor = Identifier.make("resp_")
        do throws(APIError) {
            try admit(successor, items, ResponseParameters(model: ""))
        } catch {
            steerFailed(steer, body, code: error.code ?? "rate_limit_exceeded", error.message)
            return
        }
        followed?.follow(successor)
        let own = lane.map { LaneReader(socket: self, lane: $0, responseID: steer.responseID, cutForm: cutForm) }
        own?.follow(successor)
        if let own { own.lane.begin(own) }
        let command = SessionCommand.Steer(steer, items: items, successorID: successor, waitsForToolOutputs: true)
        perform(.steer(command), on: reference, reader: own) { [self, own] outcome in
            if case .accepted(let accepted) = outcome {
                if let reader = followed ?? own {
                    delayEnd(untilSent: accepted.position.sequence, of: accepted.sessionID, to: reader)
                }
                return
            }
            services.metering.abandon(successor, now: loop.now)
            followed?.unfollow(successor)
            own?.finish()
            answer(outcome, to: steer, body)
        }
    }

    private func answer(_ outcome: SessionOutcome, to steer: Input.Steer, _ body: JSONObject) {
        switch outcome {
        case .steerKept(let calls): steerKept(steer, body, for: calls)
        case .refused(.responseNotFound(let id)):
            steerFailed(steer, body, code: "response_not_found", "Response '\(id)' is not here.")
        case .refused(.responseNotActive(let id)):
            steerFailed(steer, body, code: "response_not_active", "Response '\(id)' is not running.")
        case .refused(.successorRefused(let reason)) where reason.isOfItems:
            steerFailed(steer, body, code: "invalid_input", reason.message)
        case .refused(let error): steerFailed(steer, body, code: error.code, error.message)
        default: steerFailed(steer, body, code: SessionError.unexpectedOutcome.code, SessionError.unexpectedOutcome.message)
        }
    }

    /// The response waits for the outputs of these tool calls.
    private func steerKept(_ steer: Input.Steer, _ body: JSONObject, for calls: [String]) {
        send("response.steer.pending", for: body) { event in
            event.field("reason", "waiting_for_required_input")
            event.array("required_input") { list in
                for call in calls {
                    list.object {
                        $0.field("type", "function_call_output")
                        $0.field("call_id", call)
                    }
                }
            }
            event.object("steer") {
                $0.field("id", steer.id)
                $0.field("previous_response_id", steer.responseID)
            }
        }
    }

    private func steerFailed(_ steer: Input.Steer, _ body: JSONObject, code: String, _ message: String) {
        send("response.steer.failed", for: body) { event in
            event.object("error") {
                $0.field("type", "invalid_request_error")
                $0.field("code", code)
                $0.field("message", message)
            }
            event.object("steer") {
                $0.field("id", steer.id)
                $0.field("previous_response_id", steer.responseID)
                $0.field("input", body["input"] ?? .null)
            }
        }
    }
}
