"""Networks that only weather uses: a Swin transformer over levels, a recurrent ConvGRU, a graph network on a mesh."""
