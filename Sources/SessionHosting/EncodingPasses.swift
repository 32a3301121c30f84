package import Sessions

/// The encoding passes of one loop: one for each vocabulary in use by its readers. Loop-confined.
package final class EncodingPasses {
    private var passes: [ObjectIdentifier: AnyObject] = [:]

    /// The pass shared by all readers of a vocabulary on this loop; looked up once for each reader.
    package func pass<Encoder: EventEncoder>(_: Encoder.Type) -> EncodingPass<Encoder> {
        if let known = passes[ObjectIdentifier(Encoder.self)] as? EncodingPass<Encoder> { return known }
        let pass = EncodingPass<Encoder>()
        passes[ObjectIdentifier(Encoder.self)] = pass
        return pass
    }
}
