"""How prompts are made, ahead of time: engines, the audio chain, recordings of one's own. The daemon never comes here.

Only this package needs numpy, soundfile and soxr, and only its commands import it.
"""
