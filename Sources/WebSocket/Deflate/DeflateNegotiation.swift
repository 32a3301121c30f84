extension DeflateOptions {
    // The server's side

    /// The first acceptable offer, RFC 7692 §5 and §7.1; nil to decline all of them by omission.
    func accept(_ offers: [ExtensionOffer]) -> (agreement: DeflateAgreement, response: DeflateParameters)? {
        offers.lazy.compactMap(DeflateParameters.init).first.map(accept)
    }

    private func accept(_ offer: DeflateParameters) -> (agreement: DeflateAgreement, response: DeflateParameters) {
        var response = DeflateParameters()
        // Both are allowed in a response without having been offered, §7.1.1.
        response.serverNoContextTakeover = offer.serverNoContextTakeover || !keepsOutgoingContext
        response.clientNoContextTakeover = offer.clientNoContextTakeover || !keepsIncomingContext
        // Required if offered; otherwise left out, since a smaller window needs no consent.
        response.serverMaxWindowBits = offer.serverMaxWindowBits.map { min($0, windowBits) }
        // Only allowed in a response if it was offered, §7.1.2.2.
        var incomingWindowBits = 15
        switch offer.clientMaxWindowBits {
        case nil: break
        case .any: incomingWindowBits = windowBits
        case .bits(let bits): incomingWindowBits = min(bits, windowBits)
        }
        if offer.clientMaxWindowBits != nil { response.clientMaxWindowBits = .bits(incomingWindowBits) }
        let agreement = DeflateAgreement(
            self, maxOutgoingWindowBits: offer.serverMaxWindowBits ?? 15,
            keepsOutgoingContext: !response.serverNoContextTakeover, incomingWindowBits: incomingWindowBits,
            keepsIncomingContext: !response.clientNoContextTakeover)
        return (agreement, response)
    }

    // The client's side

    /// What a client offers.
    var offer: DeflateParameters {
        var offer = DeflateParameters()
        offer.serverNoContextTakeover = !keepsIncomingContext
        offer.clientNoContextTakeover = !keepsOutgoingContext
        offer.clientMaxWindowBits = .any
        return offer
    }

    /// Validates a server's response to ``offer``; nil if it declined.
    func validate(_ response: [ExtensionOffer]) throws(HandshakeFailure) -> DeflateAgreement? {
        guard let element = response.first else { return nil }
        guard response.count == 1, element.name == DeflateParameters.extensionName else { throw .extensionNotOffered }
        guard let parameters = DeflateParameters(element), parameters.clientMaxWindowBits != .any,
            parameters.serverNoContextTakeover || keepsIncomingContext
        else { throw .invalidExtensionResponse }
        var outgoingWindowBits = 15
        if case .bits(let bits) = parameters.clientMaxWindowBits { outgoingWindowBits = bits }
        return DeflateAgreement(
            self, maxOutgoingWindowBits: outgoingWindowBits,
            keepsOutgoingContext: keepsOutgoingContext && !parameters.clientNoContextTakeover,
            incomingWindowBits: parameters.serverMaxWindowBits ?? 15, keepsIncomingContext: !parameters.serverNoContextTakeover)
    }
}
