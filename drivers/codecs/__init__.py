"""The codecs of telephony: G.711 audio, the alphabets of SMS."""
